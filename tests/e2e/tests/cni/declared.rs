//! Devices at the socket, without the plugin.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tidegate_e2e::{Ep, Proto, Svc, served_by, silent, soon};

use crate::{http, plugin::socket, pod::Pod, world};

#[test]
fn an_existing_device_is_attached_by_name_and_detached_by_name() -> Result<()> {
    let mut world = world()?;
    let pod = Pod::routed(&mut world, 61)?;
    let svc = Svc::new("byname", 61);
    world.put(&svc, &[Ep::of(world.b(1))])?;
    let (socket, path) = (socket(&world)?, format!("/v1/devices/{}", pod.device));
    for body in [
        json!({}),
        json!({}),
        json!({ "role": "pod", "addresses": pod.addresses() }),
    ] {
        let (status, row) = http::ask(&socket, "PUT", &path, Some(&body))?;
        ensure!(
            status == 200 && row["hooks"] != "" && row["declared"] == true,
            "{row}"
        );
        served_by(&pod.ns, Proto::Tcp, svc.cluster(false), &[&world.b(1).name])?;
    }
    let (status, answer) = http::ask(&socket, "DELETE", &path, None)?;
    ensure!(status == 200 && answer["status"] == "Success", "{answer}");
    for method in ["GET", "DELETE"] {
        let (status, answer) = http::ask(&socket, method, &path, None)?;
        ensure!(status == 404 && answer["kind"] == "Status", "{answer}");
    }
    silent(&pod.ns, Proto::Tcp, svc.cluster(false))?;
    pod.remove_link()
}

#[test]
fn a_device_that_appears_later_is_waited_for() -> Result<()> {
    let world = world()?;
    let (socket, path) = (socket(&world)?, "/v1/devices/late0");
    let (status, answer) = http::ask(
        &socket,
        "PUT",
        &format!("{path}?timeout=1"),
        Some(&json!({ "role": "overlay" })),
    )?;
    let message = answer["message"].as_str().unwrap_or_default();
    ensure!(
        status == 504 && message.contains("did not appear within 1 s"),
        "{answer}"
    );
    let (status, row) = http::ask(&socket, "GET", path, None)?;
    ensure!(
        status == 200 && row["index"] == 0 && row["hooks"] == "",
        "{row}"
    );
    ensure!(
        world.spec.status()?["problems"] == json!([]),
        "to wait is no problem"
    );
    let (status, row) = http::ask(
        &socket,
        "PUT",
        &format!("{path}?timeout=0"),
        Some(&json!({ "role": "overlay" })),
    )?;
    ensure!(status == 202 && row["declared"] == true, "{row}");
    let waiting = std::thread::spawn({
        let (socket, path) = (socket.clone(), format!("{path}?timeout=20"));
        move || http::ask(&socket, "PUT", &path, Some(&json!({ "role": "overlay" })))
    });
    let node = &world.scene.a.ns;
    node.ip("link add late0 type veth peer name late1\nlink set late0 up")?;
    let (status, row) = waiting
        .join()
        .map_err(|_panic| anyhow::anyhow!("a panic"))??;
    ensure!(
        status == 200 && row["role"] == "overlay" && row["hooks"] != "",
        "{row}"
    );
    // Nobody's container: the name is what is meant, and it may come back.
    node.ip("link del late0")?;
    let index = |row: &Value| row["index"].as_u64();
    let row_is = |is_there: bool| {
        soon(|| {
            let (_, row) = http::ask(&socket, "GET", path, None)?;
            ensure!((index(&row) != Some(0)) == is_there, "{row}");
            Ok(())
        })
    };
    row_is(false)?;
    node.ip("link add late0 type veth peer name late1")?;
    row_is(true)?;
    node.ip("link del late0")?;
    let (status, _) = http::ask(&socket, "DELETE", path, None)?;
    ensure!(status == 200);
    Ok(())
}

#[test]
fn what_cannot_be_declared_is_refused_and_changes_nothing() -> Result<()> {
    let world = world()?;
    let socket = socket(&world)?;
    let before = world.spec.get("devices")?;
    let pod = json!({ "role": "pod" });
    for (name, body, says) in [
        ("lo", pod.clone(), "the loopback is not attached to"),
        ("a%2Fb", pod.clone(), "no name of a device"),
        ("sixteen-letters0", pod.clone(), "more than 15 bytes"),
        (
            "x0",
            json!({ "addresses": ["10.0.0.1/24"] }),
            "invalid IP address",
        ),
        ("x0", json!({ "colour": "red" }), "colour"),
        (
            "x0",
            json!({ "addresses": ["127.0.0.1"] }),
            "addresses[0]: 127.0.0.1",
        ),
        (
            "x0",
            json!({ "addresses": ["10.0.0.1", "fe80::1"] }),
            "addresses[1]: fe80::1",
        ),
        (
            "x0",
            json!({ "role": "uplink", "addresses": ["10.0.0.1"] }),
            "those of a pod are meant",
        ),
        ("x0", json!({ "mac": "02:00" }), "no Ethernet address"),
        ("x0?timeout=1000", pod.clone(), "more than 300"),
        ("x0?timeout=soon", pod.clone(), "timeout"),
        ("x0?patience=1", pod.clone(), "patience"),
    ] {
        let (status, answer) =
            http::ask(&socket, "PUT", &format!("/v1/devices/{name}"), Some(&body))?;
        let message = answer["message"].as_str().unwrap_or_default();
        ensure!(
            (400..500).contains(&status) && message.contains(says),
            "{name} {body}: {answer}"
        );
    }
    ensure!(world.spec.get("devices")? == before);
    let (status, answer) = http::ask(&socket, "PUT", "/v1/devices/eth0", Some(&pod))?;
    let message = answer["message"].as_str().unwrap_or_default();
    ensure!(
        status == 409 && message.contains("it is an uplink"),
        "{answer}"
    );
    let (status, _) = http::ask(&socket, "DELETE", "/v1/devices/eth0", None)?;
    ensure!(status == 200);
    ensure!(world.spec.get("devices")? == before);
    Ok(())
}
