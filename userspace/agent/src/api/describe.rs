//! One Service from all sides.

use std::net::SocketAddr;

use axum::{
    Json,
    extract::{Path, State},
};
use tidegate_abi::{Family, Traffic};
use tidegate_api::{ServiceDescription, StatusError};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Api, failure::Failure};
use crate::{
    asking::{Answer, Question},
    watching::{self, Watching},
};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(service))
}

/// Everything about one Service: policies, addresses, frontends, endpoints and why each is used or not.
#[utoipa::path(get, path = "/v1/describe/services/{namespace}/{name}", tag = "node", operation_id = "describe_service",
    params(("namespace" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = ServiceDescription, description = "the Service from all sides"),
    (status = "default", body = StatusError, description = super::failure::REFUSED)))]
async fn service(
    State(api): State<Api>,
    Path((namespace, name)): Path<(String, String)>,
) -> Result<Json<ServiceDescription>, Failure> {
    let question = Question::Describe {
        namespace: namespace.clone(),
        name: name.clone(),
    };
    match api.ask(question).await? {
        Answer::Described(Some(mut service)) => {
            if let Some(watching) = &api.watching {
                count(watching, &mut service);
            }
            Ok(Json(*service))
        }
        _ => Err(Failure::not_found(format!(
            "there is no Service {namespace}/{name}: `tidegate get services` lists them"
        ))),
    }
}

/// What went through, where it is counted. A description without numbers is better than none.
fn count(watching: &Watching, service: &mut ServiceDescription) {
    let capacity = watching.gauges.capacity().unwrap_or(0);
    let is_counted = |id: &u32| *id < capacity;
    let census = watching.census.borrow().clone();
    for port in &mut service.ports {
        let Some(service_id) = port.service_id else {
            continue;
        };
        let family = match port.family.as_str() {
            "IPv4" => Family::V4,
            _ => Family::V6,
        };
        let one = |traffic: Vec<Traffic>| traffic.first().copied().map(watching::count);
        let of_port = Some(service_id).filter(is_counted);
        port.traffic = of_port.and_then(|id| one(watching.gauges.services(&[id]).ok()?));
        port.active = census.taken.map(|_| census.service(service_id));
        for endpoint in &mut port.endpoints {
            let of_backend = endpoint.backend_id.filter(is_counted);
            endpoint.traffic =
                of_backend.and_then(|id| one(watching.gauges.backends(family, &[id]).ok()?));
            let address = SocketAddr::new(endpoint.address, endpoint.port);
            endpoint.active = census.taken.map(|_| census.backend(service_id, address));
        }
    }
}
