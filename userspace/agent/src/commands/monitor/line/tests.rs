use super::*;

fn new_flow() -> EventRow {
    let address = |text: &str| Some(text.parse().unwrap());
    EventRow {
        time: "2026-11-21T10:15:19.123456Z".into(),
        kind: "new".into(),
        reason: "new_flow".into(),
        proto: Some("TCP".into()),
        client: address("192.168.1.9:45678"),
        frontend: address("192.168.1.2:30008"),
        backend: address("10.244.1.7:8080"),
        seen_as: address("192.168.1.2:61003"),
        namespace: Some("default".into()),
        service: Some("web".into()),
        port_name: Some(String::new()),
        port: Some(80),
        device: Some("eth0".into()),
        bytes: 74,
        ..EventRow::default()
    }
}

fn shown(event: EventRow, width: Option<usize>) -> String {
    let line = EventLine::Event(Box::new(event));
    text(
        &line,
        Screen {
            width,
            colours: false,
        },
    )
}

#[test]
fn a_new_flow_is_one_line_for_scripts_and_wide_terminals() {
    let line = "10:15:19.123456 new    new_flow            TCP 192.168.1.9:45678 -> 192.168.1.2:30008 \
        -> 10.244.1.7:8080 (seen as 192.168.1.2:61003) default/web:80 at eth0\n";
    assert_eq!(shown(new_flow(), None), line);
    assert_eq!(shown(new_flow(), Some(200)), line);
}

#[test]
fn on_a_narrow_terminal_nothing_is_cut_in_two() {
    let text = shown(new_flow(), Some(80));
    assert_eq!(
        text,
        "10:15:19.123 new    new_flow TCP 192.168.1.9:45678 -> 192.168.1.2:30008\n\
        \u{20}            -> 10.244.1.7:8080 (seen as 192.168.1.2:61003) default/web:80\n\
        \u{20}            at eth0\n"
    );
    assert!(text.lines().all(|line| line.len() <= 80));
}

#[test]
fn a_packet_that_was_not_understood_shows_what_is_known() {
    let event = EventRow {
        time: "2026-11-21T10:15:19.000001Z".into(),
        kind: "drop".into(),
        reason: "truncated".into(),
        device: Some("eth0".into()),
        ..EventRow::default()
    };
    assert_eq!(
        shown(event, None),
        "10:15:19.000001 drop   truncated           at eth0\n"
    );
}

#[test]
fn pings_have_no_port_and_sockets_no_device() {
    let event = EventRow {
        proto: Some("ICMP".into()),
        backend: None,
        seen_as: None,
        device: None,
        ..new_flow()
    };
    let text = shown(event, None);
    assert!(
        text.contains("ICMP 192.168.1.9 -> 192.168.1.2 default/web:80 at a socket"),
        "{text}"
    );
}

#[test]
fn what_was_lost_is_told() {
    let text = text(&EventLine::Lost { lost: 12 }, Screen::default());
    assert_eq!(
        text,
        "-- 12 events are missing here: they came faster than they were read --\n"
    );
}
