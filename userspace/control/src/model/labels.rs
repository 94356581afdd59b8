//! The labels that decide what belongs to whom.

/// On a slice: the Service it belongs to.
pub(crate) const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// On a slice, with any value: no proxy looks at it (rule 1.2.2).
pub(crate) const HEADLESS: &str = "service.kubernetes.io/headless";
/// On a Service, with any value: another proxy serves it (rule 1.2.1).
pub(crate) const PROXY_NAME: &str = "service.kubernetes.io/service-proxy-name";
