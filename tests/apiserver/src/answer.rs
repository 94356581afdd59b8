//! One request, and what is answered.

use std::{collections::HashMap, sync::Arc, time::Duration};

use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    Asked, Fault, Kind, On,
    selector::Selector,
    state::{Shared, State},
    status::{expired, status},
    stream::{self, Watch},
};

/// A body that may break off.
pub(crate) type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, std::io::Error>;

/// Answers a request of a client that has a certificate, or has none.
pub(crate) async fn answer(
    shared: Arc<Shared>,
    request: Request<Incoming>,
    has_certificate: bool,
) -> Response<Body> {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let Some(kind) = Kind::at(request.uri().path()) else {
        return text(404, "404 page not found\n");
    };
    if request.method() != http::Method::GET {
        return json_body(405, &status(405, "this server is for reading only", None));
    }
    let question = match Question::parse(kind, &query) {
        Ok(question) => question,
        Err(reason) => return json_body(400, &status(400, &reason, None)),
    };
    let authorization = request.headers().get(header::AUTHORIZATION);
    let authorization = authorization
        .and_then(|it| it.to_str().ok())
        .map(str::to_owned);
    let fault = {
        let mut state = shared.lock();
        state.asked.push(Asked {
            on: question.on(),
            query,
            authorization: authorization.clone(),
        });
        if let Some(refusal) = refusal(&state, kind, authorization.as_deref(), has_certificate) {
            return refusal;
        }
        state.fault(question.on())
    };
    match fault {
        Some(Fault::Status(code, after)) => {
            return json_body(code, &status(code, "the test says so", after));
        }
        Some(Fault::Text(code)) => return text(code, "<html>bad gateway</html>"),
        Some(Fault::Silent) => std::future::pending().await,
        Some(Fault::Slow(time)) => sleep(time).await,
        _ => {}
    }
    match question.watch {
        true => watch(shared, question, fault),
        false => list(&shared, &question, fault.as_ref()),
    }
}

/// Why the request is not answered, if so.
fn refusal(
    state: &State,
    kind: Kind,
    authorization: Option<&str>,
    has_certificate: bool,
) -> Option<Response<Body>> {
    let token = authorization.and_then(|it| it.strip_prefix("Bearer "));
    let is_known = |tokens: &std::collections::BTreeSet<String>| {
        token.is_some_and(|token| tokens.contains(token))
    };
    if !has_certificate && !state.tokens.as_ref().is_none_or(is_known) {
        return Some(json_body(401, &status(401, "Unauthorized", None)));
    }
    if state.missing.contains(&kind) {
        return Some(text(404, "404 page not found\n"));
    }
    if state.forbidden.contains(&kind) {
        let reason = format!(
            "{} is forbidden: cannot list at the cluster scope",
            kind.name()
        );
        return Some(json_body(403, &status(403, &reason, None)));
    }
    None
}

/// What a request asks for.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) kind: Kind,
    pub(crate) selector: Selector,
    pub(crate) version: Option<u64>,
    watch: bool,
    limit: Option<usize>,
    next: Option<String>,
    pub(crate) wants_bookmarks: bool,
    pub(crate) lasts: Duration,
}

impl Question {
    fn parse(kind: Kind, query: &str) -> Result<Self, String> {
        let pairs: HashMap<String, String> = query.split('&').filter_map(pair).collect();
        let get = |name: &str| pairs.get(name).map(String::as_str).unwrap_or_default();
        let number = |name: &str| match get(name) {
            "" => Ok(None),
            text => text
                .parse::<u64>()
                .map(Some)
                .map_err(|_error| format!("{name}: Invalid value: {text:?}")),
        };
        // As servers without the feature do.
        if !get("sendInitialEvents").is_empty() {
            return Err("sendInitialEvents: Forbidden: sendInitialEvents is forbidden".to_owned());
        }
        Ok(Self {
            kind,
            selector: Selector::parse(get("labelSelector"), get("fieldSelector"))?,
            version: number("resourceVersion")?,
            watch: get("watch") == "true",
            limit: number("limit")?.and_then(|it| usize::try_from(it).ok()),
            next: Some(get("continue").to_owned()).filter(|it| !it.is_empty()),
            wants_bookmarks: get("allowWatchBookmarks") == "true",
            lasts: Duration::from_secs(number("timeoutSeconds")?.unwrap_or(1800)),
        })
    }

    fn on(&self) -> On {
        match self.watch {
            true => On::Watch(self.kind),
            false => On::List(self.kind),
        }
    }
}

fn pair(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once('=')?;
    Some((name.to_owned(), decode(value)))
}

/// Percent and plus.
fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next().unwrap_or(b'0'), rest.next().unwrap_or(b'0')];
                let digits = String::from_utf8_lossy(&digits).into_owned();
                u8::from_str_radix(&digits, 16).unwrap_or(b'?')
            }
            other => other,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn list(shared: &Shared, question: &Question, fault: Option<&Fault>) -> Response<Body> {
    let mut state = shared.lock();
    let (version, mut items) = match &question.next {
        Some(token) => match state.rest(token) {
            Some(rest) => rest,
            None => {
                let reason = "The provided continue parameter is too old";
                return json_body(410, &status(410, reason, None));
            }
        },
        None => {
            let all = Selector::default();
            let selector = match state.ignores_selectors {
                true => &all,
                false => &question.selector,
            };
            (state.version, state.list(question.kind, selector).into())
        }
    };
    // Lists out of memory are not cut into pages.
    let is_cached = question.version == Some(0) && question.next.is_none();
    let limit = question.limit.filter(|&limit| limit > 0 && !is_cached);
    let (page, next) = state.page(version, &mut items, limit.unwrap_or(usize::MAX));
    if fault == Some(&Fault::PagesExpire) {
        state.forget_pages();
    }
    drop(state);
    let items: Vec<Value> = page.into_iter().map(without_kind).collect();
    let mut body = json!({
        "kind": format!("{}List", question.kind.name()), "apiVersion": question.kind.api_version(),
        "metadata": {"resourceVersion": version.to_string()}, "items": items,
    });
    if let Some(next) = next {
        body["metadata"]["continue"] = json!(next);
    }
    if fault == Some(&Fault::BreaksOff) {
        return broken_off(&body);
    }
    json_body(200, &body)
}

/// Items of a list do not say what the list says.
fn without_kind(mut object: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.remove("kind");
        fields.remove("apiVersion");
    }
    object
}

fn watch(shared: Arc<Shared>, mut question: Question, fault: Option<Fault>) -> Response<Body> {
    let state = shared.lock();
    if state.ignores_selectors {
        question.selector = Selector::default();
    }
    let from = match question.version {
        None | Some(0) => state.version,
        Some(version) => version,
    };
    let events = state.events(question.kind, &question.selector, from);
    let by_event = state.expires_by_event;
    drop(state);
    let first = match events {
        Err(oldest) if by_event => Some(json!({"type": "ERROR", "object": expired(from, oldest)})),
        Err(oldest) => return json_body(410, &expired(from, oldest)),
        Ok(_) => None,
    };
    let lines = stream::lines(Watch::new(shared, question, from, first, fault));
    let body = StreamBody::new(lines);
    reply(200, "application/json", body.boxed_unsync())
}

fn json_body(code: u16, value: &Value) -> Response<Body> {
    whole(code, "application/json", value.to_string())
}

fn text(code: u16, text: &str) -> Response<Body> {
    whole(code, "text/plain; charset=utf-8", text.to_owned())
}

fn whole(code: u16, kind: &str, text: String) -> Response<Body> {
    let body = Full::new(Bytes::from(text)).map_err(|never| match never {});
    reply(code, kind, body.boxed_unsync())
}

fn broken_off(value: &Value) -> Response<Body> {
    let text = value.to_string();
    let half = Bytes::copy_from_slice(&text.as_bytes()[..text.len() / 2]);
    let parts = [Ok(Frame::data(half)), Err(std::io::Error::other("cut"))];
    let body = StreamBody::new(futures::stream::iter(parts));
    reply(200, "application/json", body.boxed_unsync())
}

fn reply(code: u16, kind: &str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Ok(kind) = kind.parse() {
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    response
}
