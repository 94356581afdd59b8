//! The answers, field by field as kube-proxy gives them (rules 3.9.2 to 3.9.5, 3.10.2 and 3.10.5).

use http_body_util::Full;
use hyper::{
    Response, StatusCode,
    body::Bytes,
    header::{CONTENT_TYPE, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS},
};
use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use super::state::{FamilyReport, Report};

/// An answer whose body is known.
pub(super) type Reply = Response<Full<Bytes>>;

const WEIGHT: HeaderName = HeaderName::from_static("x-load-balancing-endpoint-weight");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// How Go writes a time that was never set.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// Whose health is asked for at a Service's port.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Subject {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) local_ready: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ServiceBody<'a> {
    service: ServiceName<'a>,
    local_endpoints: usize,
    service_proxy_healthy: bool,
}

#[derive(Serialize)]
struct ServiceName<'a> {
    namespace: &'a str,
    name: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProxyBody {
    last_updated: String,
    current_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    node_eligible: Option<bool>,
    healthy: bool,
    status: Families,
}

#[derive(Serialize)]
struct Families {
    #[serde(rename = "IPv4")]
    v4: FamilyBody,
    #[serde(rename = "IPv6")]
    v6: FamilyBody,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FamilyBody {
    last_updated: String,
    healthy: bool,
}

/// At a Service's port, whatever was asked.
pub(super) fn service(subject: &Subject, proxy_healthy: bool) -> Reply {
    let body = ServiceBody {
        service: ServiceName {
            namespace: &subject.namespace,
            name: &subject.name,
        },
        local_endpoints: subject.local_ready,
        service_proxy_healthy: proxy_healthy,
    };
    let mut reply = json(
        subject.local_ready > 0 && proxy_healthy,
        // Some probes compare text: the same lines and tabs as kube-proxy's.
        &pretty(&body),
    );
    let weight = HeaderValue::from(subject.local_ready);
    reply.headers_mut().insert(WEIGHT, weight);
    reply
}

/// At `/healthz`: is this node to be given traffic?
pub(super) fn healthz(report: &Report) -> Reply {
    proxy(
        report,
        report.healthy && report.node_eligible,
        Some(report.node_eligible),
    )
}

/// At `/livez`: does the proxy work? The node's own fate is another matter (rule 3.10.4).
pub(super) fn livez(report: &Report) -> Reply {
    proxy(report, report.healthy, None)
}

/// At any other path.
pub(super) fn not_found() -> Reply {
    reply(StatusCode::NOT_FOUND, TEXT, "404 page not found\n")
}

fn proxy(report: &Report, is_ok: bool, node_eligible: Option<bool>) -> Reply {
    let [v4, v6] = report
        .families
        .map(|FamilyReport { healthy, updated }| FamilyBody {
            last_updated: time(updated),
            healthy,
        });
    // Old readers take an old time for a dead proxy, so a healthy one is always up to date (rule 3.10.5).
    let last_updated = if is_ok {
        Some(report.now)
    } else {
        report.updated
    };
    let body = ProxyBody {
        last_updated: time(last_updated),
        current_time: time(Some(report.now)),
        node_eligible,
        healthy: report.healthy,
        status: Families { v4, v6 },
    };
    json(is_ok, &serde_json::to_string(&body).unwrap_or_default())
}

fn time(at: Option<Timestamp>) -> String {
    at.map_or_else(|| NEVER.to_owned(), |at| at.to_string())
}

fn pretty(body: &impl Serialize) -> String {
    let mut text = Vec::new();
    let format = serde_json::ser::PrettyFormatter::with_indent(b"\t");
    let mut writer = serde_json::Serializer::with_formatter(&mut text, format);
    // Strings, numbers and truths into memory: neither can fail.
    match body.serialize(&mut writer) {
        Ok(()) => String::from_utf8(text).unwrap_or_default(),
        Err(_impossible) => String::new(),
    }
}

fn json(is_ok: bool, body: &str) -> Reply {
    let status = if is_ok {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    reply(status, JSON, body)
}

fn reply(status: StatusCode, kind: HeaderValue, body: &str) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::copy_from_slice(body.as_bytes())));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, kind);
    let nosniff = HeaderValue::from_static("nosniff");
    reply.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, nosniff);
    reply
}

#[cfg(test)]
mod tests;
