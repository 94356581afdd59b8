use super::*;

fn asked(of: EventParameters) -> Result<Wish, String> {
    wish(&of, &Names::default()).map_err(|failure| failure.status().message.clone())
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn bits(reasons: &[Reason]) -> u64 {
    reasons
        .iter()
        .fold(0, |bits, reason| bits | 1 << (*reason as u32))
}

#[test]
fn without_filters_drops_rejects_and_new_flows_are_told() {
    let wish = asked(EventParameters::default()).unwrap();
    let some = bits(&[
        Reason::NewFlow,
        Reason::SocketTranslated,
        Reason::NoEndpoints,
        Reason::SourceRange,
    ]);
    assert_eq!(wish.reasons & some, some);
    let never = bits(&[Reason::KnownFlow, Reason::NotService, Reason::NotIp]);
    assert_eq!(wish.reasons & never, 0);
    assert_eq!((wish.block, wish.service, wish.shift), (None, None, 0));
}

#[test]
fn kinds_and_reasons_narrow_each_other() {
    let kind = |kind: &str| {
        asked(EventParameters {
            kind: text(kind),
            ..Default::default()
        })
    };
    assert_eq!(
        kind("new").unwrap().reasons,
        bits(&[Reason::NewFlow, Reason::SocketTranslated])
    );
    let both = EventParameters {
        kind: text("drop, reject"),
        reason: text("new_flow,source_range"),
        ..Default::default()
    };
    assert_eq!(asked(both).unwrap().reasons, bits(&[Reason::SourceRange]));
    let none = EventParameters {
        kind: text("new"),
        reason: text("source_range"),
        ..Default::default()
    };
    assert!(asked(none).unwrap_err().contains("leave nothing"));
}

#[test]
fn a_sample_is_rounded_up_to_a_power_of_two() {
    let shift = |every| {
        asked(EventParameters {
            sample: Some(every),
            ..Default::default()
        })
    };
    for (every, wanted) in [(1, 0), (2, 1), (3, 2), (1000, 10), (1 << 31, 31)] {
        assert_eq!(shift(every).unwrap().shift, wanted);
    }
    assert!(shift(0).is_err());
    assert!(shift(u32::MAX).is_err());
}

#[test]
fn what_is_wrong_is_named_with_what_would_be_right() {
    let cases = [
        (
            EventParameters {
                kind: text("pass"),
                ..Default::default()
            },
            "kind: `pass` is none of drop",
        ),
        (
            EventParameters {
                reason: text("no_luck"),
                ..Default::default()
            },
            "reason: `no_luck` is none of new_flow",
        ),
        (
            EventParameters {
                reason: text("known_flow"),
                ..Default::default()
            },
            "reason: `known_flow`",
        ),
        (
            EventParameters {
                address: text("10.0.0"),
                ..Default::default()
            },
            "address: `10.0.0` is neither",
        ),
        (
            EventParameters {
                address: text("10.0.0.0/33"),
                ..Default::default()
            },
            "address: `10.0.0.0/33`",
        ),
        (
            EventParameters {
                service: text("web"),
                ..Default::default()
            },
            "`web` is not NAMESPACE/NAME",
        ),
        (
            EventParameters {
                service: text("a/web"),
                ..Default::default()
            },
            "no Service a/web is served",
        ),
    ];
    for (parameters, wanted) in cases {
        let told = asked(parameters).unwrap_err();
        assert!(told.contains(wanted), "{told}");
    }
}
