//! The commands that have more to them than one question: one module each, with its flags and its `run`.

pub(crate) mod apply;
pub(crate) mod check;
pub(crate) mod cni;
pub(crate) mod completion;
pub(crate) mod delete;
pub(crate) mod describe;
pub(crate) mod explain;
pub(crate) mod flows;
pub(crate) mod get;
mod input;
pub(crate) mod monitor;
pub(crate) mod status;
pub(crate) mod top;

use crate::failure::Failure;

/// Namespace and name of what is called `NS/NAME`, or `NAME` with `--namespace` or in the default one.
pub(crate) fn named(text: &str, namespace: Option<&str>) -> Result<(String, String), Failure> {
    let (namespace, name) = match (text.split_once('/'), namespace) {
        (Some((said, _)), Some(flag)) if said != flag => {
            return Err(Failure::Usage(format!(
                "{text} is not in namespace {flag}: say one of the two"
            )));
        }
        (Some((said, name)), _) => (said, name),
        (None, flag) => (flag.unwrap_or("default"), text),
    };
    // They become parts of a path.
    let is_name = |part: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
        let edge = |byte: Option<u8>| byte.is_some_and(|it| it.is_ascii_alphanumeric());
        edge(part.bytes().next()) && edge(part.bytes().last()) && part.bytes().all(inner)
    };
    if is_name(namespace) && is_name(name) {
        Ok((namespace.to_owned(), name.to_owned()))
    } else {
        Err(Failure::Usage(format!(
            "{text:?} is not a name: say NS/NAME, or NAME with --namespace NS"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_carry_its_namespace_and_else_it_is_in_the_default_one() {
        let pair = |(a, b): (&str, &str)| (a.to_owned(), b.to_owned());
        assert_eq!(named("shop/web", None).unwrap(), pair(("shop", "web")));
        assert_eq!(named("web", Some("shop")).unwrap(), pair(("shop", "web")));
        assert_eq!(named("web", None).unwrap(), pair(("default", "web")));
        for wrong in ["a/b/c", "", "/web", "shop/", "a b", "../x", "a?b"] {
            assert!(
                matches!(named(wrong, None), Err(Failure::Usage(_))),
                "{wrong}"
            );
        }
        assert!(matches!(named("a/b", Some("c")), Err(Failure::Usage(_))));
    }
}
