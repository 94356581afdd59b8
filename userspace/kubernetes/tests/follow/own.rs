//! The API server's own Service.

use serde_json::{Value, json};
use tidegate_apiserver::Kind;

use crate::stage::{Stage, Told, WEB_SLICE, service, slice};

const OWN: &str = "kubernetes: Service default/kubernetes";
const SLICE: &str = "kubernetes: EndpointSlice default/kubernetes";

fn own_slice(addresses: &[&str]) -> Value {
    let mut slice = slice("kubernetes", addresses);
    slice["metadata"]["name"] = json!("kubernetes");
    slice
}

fn addresses(told: &Told) -> Vec<String> {
    let slices = told.held.get(SLICE).into_iter().flat_map(|it| &it.objects);
    let endpoints = slices.flat_map(|it| it.slice().unwrap().endpoints.iter().flatten());
    endpoints.flat_map(|it| it.addresses.clone()).collect()
}

#[tokio::test]
async fn rule_5_1_14_the_server_s_own_service_keeps_its_last_endpoints() {
    let stage = Stage::new();
    stage.server.put(service("kubernetes"));
    stage.server.put(own_slice(&["192.0.2.1", "192.0.2.2"]));
    let mut told = stage.settled().await;
    stage.server.put(own_slice(&["192.0.2.2"]));
    told.until("one is left", |it| addresses(it) == ["192.0.2.2"])
        .await;
    // Gone in three ways, and ordinary Services go to zero meanwhile.
    stage.server.put(own_slice(&[]));
    stage
        .server
        .delete(Kind::EndpointSlice, "default", "kubernetes");
    stage.server.delete(Kind::Service, "default", "kubernetes");
    stage.server.delete(Kind::EndpointSlice, "default", "web-1");
    told.until("web has none", |it| !it.has(WEB_SLICE)).await;
    told.until("it is told", |it| it.problems.len() == 1).await;
    assert!(
        told.problems[0].contains("its last ones are kept"),
        "{:?}",
        told.problems
    );
    assert_eq!(addresses(&told), ["192.0.2.2"]);
    assert!(told.has(OWN));
    stage.server.put(service("kubernetes"));
    stage.server.put(own_slice(&["192.0.2.3"]));
    told.until("the new one is there", |it| addresses(it) == ["192.0.2.3"])
        .await;
    assert!(told.problems.is_empty(), "{:?}", told.problems);
}

#[tokio::test]
async fn rule_5_1_14_holds_across_a_new_list() {
    let stage = Stage::new();
    stage.server.put(service("kubernetes"));
    stage.server.put(own_slice(&["192.0.2.1"]));
    let mut told = stage.settled().await;
    stage.server.away(true);
    stage
        .server
        .delete(Kind::EndpointSlice, "default", "kubernetes");
    stage.server.delete(Kind::EndpointSlice, "default", "web-1");
    stage.server.compact();
    stage.server.away(false);
    told.until("web has none", |it| !it.has(WEB_SLICE)).await;
    assert_eq!(addresses(&told), ["192.0.2.1"]);
}
