//! The demo's Service, as one would write it by hand.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

/// The Service `web` and its slice with these pods on `nodea`.
pub(super) fn web(pods: &[Ipv4Addr]) -> String {
    let mut yaml = HEAD.to_owned();
    for pod in pods {
        // Writing to a String cannot fail.
        write!(yaml, "  - addresses: [{pod}]\n    nodeName: nodea\n").unwrap_or_default();
    }
    yaml
}

const HEAD: &str = "\
apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  type: NodePort
  clusterIP: 10.96.0.10
  ports:
    - name: http
      port: 80
      targetPort: 8080
      nodePort: 30008
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: web-1
  labels:
    kubernetes.io/service-name: web
addressType: IPv4
ports:
  - name: http
    port: 8080
endpoints:
";
