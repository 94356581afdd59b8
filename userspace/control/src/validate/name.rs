//! Rules for a Service that is a name in DNS and nothing else (rules 1.1.5 and 1.5.4).

use k8s_openapi::api::core::v1::ServiceSpec;

use super::{Fault, error, is_label, warning};

/// What is left over from another type is ignored, as the API server wipes it (rule 1.5.7): a Service
/// that becomes a name must stop being an address.
pub(super) fn check(spec: &ServiceSpec, warnings: &mut Vec<Fault>) -> Result<(), Fault> {
    let name = spec.external_name.as_deref().unwrap_or_default();
    if name.is_empty() {
        return Err(error("spec.externalName", "is missing"));
    }
    if !is_domain(name.strip_suffix('.').unwrap_or(name)) {
        let reason =
            format!("{name:?} is not a name in DNS (lower case letters, digits, '-', '.')");
        return Err(error("spec.externalName", reason));
    }
    let has_some = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|it| !it.is_empty());
    let ip = spec.cluster_ip.as_deref().unwrap_or_default();
    let policy = spec.ip_family_policy.as_deref().unwrap_or_default();
    let idle = [
        (!ip.is_empty(), "spec.clusterIP"),
        (has_some(&spec.cluster_ips), "spec.clusterIPs"),
        (has_some(&spec.ip_families), "spec.ipFamilies"),
        (!policy.is_empty(), "spec.ipFamilyPolicy"),
    ];
    for (_, field) in idle.into_iter().filter(|(is_idle, _)| *is_idle) {
        warnings.push(warning(field, "is ignored: type ExternalName has none"));
    }
    Ok(())
}

/// RFC 1123 subdomain.
fn is_domain(name: &str) -> bool {
    let part = |part: &str| !part.is_empty() && is_label(part);
    name.len() <= 253 && name.split('.').all(part)
}
