use super::*;

fn view(row: DeviceRow) -> View {
    View {
        revision: 7,
        synced: true,
        rows: vec![row],
    }
}

fn attached() -> DeviceRow {
    DeviceRow {
        name: "veth7".to_owned(),
        index: 7,
        role: "pod".to_owned(),
        hooks: "tcx".to_owned(),
        addresses: vec!["10.244.0.7".parse().unwrap()],
        ..DeviceRow::default()
    }
}

/// What somebody hears who declared a pod's device with so many addresses: a status, or 0: nothing yet.
fn heard(view: &View, revision: u64, addresses: usize) -> (u16, String) {
    match outcome(view, revision, "veth7", DeviceRole::Pod, addresses) {
        None => (0, String::new()),
        Some(Ok(row)) => (200, row.hooks),
        Some(Err(failure)) => (failure.status().code, failure.status().message.clone()),
    }
}

#[test]
fn nothing_is_said_before_the_loop_has_heard_and_the_maps_have_everything() {
    let shown = view(attached());
    assert_eq!(heard(&shown, 7, 1), (200, "tcx".to_owned()));
    assert_eq!(
        heard(&shown, 8, 1).0,
        0,
        "an older declaration was answered"
    );
    assert_eq!(heard(&shown, 7, 2).0, 0, "an address is missing");
    assert_eq!(
        heard(&View::default(), 0, 0).0,
        0,
        "there is no such device"
    );
    let absent = DeviceRow {
        index: 0,
        ..attached()
    };
    assert_eq!(heard(&view(absent), 7, 1).0, 0);
}

#[test]
fn a_device_that_cannot_be_attached_or_is_an_uplink_is_told_at_once() {
    let failed = DeviceRow {
        hooks: String::new(),
        why: "the kernel is out of memory".to_owned(),
        ..attached()
    };
    let (status, message) = heard(&view(failed), 7, 1);
    assert_eq!(status, 500);
    assert!(
        message.ends_with("cannot be attached: the kernel is out of memory"),
        "{message}"
    );
    let uplink = DeviceRow {
        role: "uplink".to_owned(),
        ..attached()
    };
    let (status, message) = heard(&view(uplink), 7, 1);
    assert_eq!(status, 409);
    assert!(message.contains("it is an uplink"), "{message}");
}

#[test]
fn who_waited_in_vain_hears_whether_the_device_or_an_address_is_missing() {
    let says = |view: &View| late(view, "veth7", 10).status().message.clone();
    assert!(says(&View::default()).contains("did not appear within 10 s"));
    assert!(says(&view(attached())).contains("not all of its addresses"));
}

#[test]
fn refusals_have_a_status_each() {
    let status = |refusal| failure("veth7", refusal).status().code;
    assert_eq!(status(Refusal::Unknown), 404);
    assert_eq!(status(Refusal::AnothersNow("container c".to_owned())), 409);
    assert_eq!(status(Refusal::TooMany), 507);
    assert_eq!(status(Refusal::Disk(anyhow::anyhow!("no space left"))), 507);
}
