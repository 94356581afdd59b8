//! Events with names instead of numbers.

use super::*;

#[test]
fn an_event_becomes_a_row_with_names() {
    let Published { names, .. } = names(&[(3, "web")]);
    let new = Event {
        backend: 9,
        to: ip("10.244.1.7"),
        to_port: Port::new(8080),
        seen_as: ip("192.168.1.2"),
        seen_as_port: Port::new(61000),
        ..event(Reason::NewFlow, 3, "192.168.1.9")
    };
    let it = row(&new, &names);
    assert_eq!((it.kind.as_str(), it.reason.as_str()), ("new", "new_flow"));
    assert_eq!(it.client.unwrap().to_string(), "192.168.1.9:40000");
    assert_eq!(it.backend.unwrap().to_string(), "10.244.1.7:8080");
    assert_eq!(it.seen_as.unwrap().to_string(), "192.168.1.2:61000");
    assert_eq!((it.service.as_deref(), it.port), (Some("web"), Some(80)));
    assert_eq!(it.device, None);
    let now = k8s_openapi::jiff::Timestamp::now();
    let then: k8s_openapi::jiff::Timestamp = it.time.parse().unwrap();
    assert!(
        (now.as_second() - then.as_second()).abs() < 60,
        "{}",
        it.time
    );
}

#[test]
fn what_is_not_known_of_a_packet_is_left_out() {
    let bare = Event {
        reason: Reason::Truncated as u32,
        device: u32::MAX,
        ..Event::default()
    };
    let it = row(&bare, &Names::default());
    assert_eq!((it.proto, it.client, it.frontend), (None, None, None));
    assert_eq!((it.backend, it.seen_as, it.service), (None, None, None));
    assert_eq!(it.device.as_deref(), Some("#4294967295"));
    let unknown = Event {
        reason: 63,
        ..Event::default()
    };
    assert_eq!(row(&unknown, &Names::default()).reason, "63");
}
