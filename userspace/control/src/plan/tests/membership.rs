//! What is known of a backend beside where it is: the tables that name it, and whether sockets miss it.

use tidegate_abi::{
    Proto,
    backend::flags::{IN_CLUSTER, IN_LOCAL, LOCAL, SERVING},
};

use super::*;

/// Flags and generations of the backends that writes set, in order.
fn written(plan: &Plan) -> Vec<(u16, u32)> {
    let backend = |write: &Write| match write {
        Write::Backend4(_, backend) => Some((backend.flags, backend.generation)),
        _ => None,
    };
    plan.writes.iter().filter_map(backend).collect()
}

#[test]
fn rule_4_9_a_backend_knows_which_pools_it_is_in() {
    let mut port = four("a", 1, &[1, 3]);
    let mut planner = empty();
    let plan = planner.plan(&desired4(vec![port.clone()]));
    let here = SERVING | LOCAL;
    assert_eq!(
        written(&plan),
        [(SERVING | IN_CLUSTER, 1), (here | IN_CLUSTER | IN_LOCAL, 1)]
    );
    // The one that is here serves as a fallback only here.
    port.cluster.pop();
    let plan = planner.plan(&desired4(vec![port.clone()]));
    assert_eq!(written(&plan), [(here | IN_LOCAL, 1)]);
    port.cluster = port.local.clone();
    port.local.clear();
    let plan = planner.plan(&desired4(vec![port]));
    assert_eq!(written(&plan)[0], (here | IN_CLUSTER, 1));
}

#[test]
fn rule_4_11_a_backend_that_leaves_is_unlisted_before_the_frontend_moves() {
    let mut planner = empty();
    let _first = planner.plan(&desired4(vec![four("a", 1, &[1, 2])]));
    let plan = planner.plan(&desired4(vec![four("a", 1, &[1])]));
    assert_eq!(written(&plan), [(SERVING, 1), (0, 2)]);
    assert!(
        matches!(
            plan.writes[..],
            [
                Write::Backend4(..),
                Write::Slots { .. },
                Write::Frontend4(..),
                Write::Backend4(..)
            ]
        ),
        "{:?}",
        plan.writes
    );
}

#[test]
fn rule_4_9_flags_that_an_earlier_agent_left_are_put_right() {
    let desired = desired4(vec![four("a", 1, &[1, 2])]);
    let mut planner = empty();
    let _first = planner.plan(&desired);
    let mut image = planner.image().clone();
    image.v4.backends[1].flags = SERVING;
    image.v4.backends[2].flags |= IN_LOCAL;
    let mut planner = Planner::adopt(image, ROOM);
    let plan = planner.plan(&desired);
    assert_eq!(
        written(&plan),
        [(SERVING | IN_CLUSTER, 1), (SERVING | IN_CLUSTER, 1)]
    );
    assert_eq!(plan.writes.len(), 2);
}

/// A service port of this protocol.
fn of(proto: Proto) -> DesiredPort<Ip4> {
    let mut port = four("a", 1, &[1, 2]);
    port.key = std::sync::Arc::new(PortKey {
        proto,
        ..(*port.key).clone()
    });
    port.frontends[0].0.proto = proto;
    port
}

#[test]
fn rule_5_2_15_a_plan_tells_when_udp_backends_stop_serving() {
    for (proto, lost) in [
        (Proto::UDP, true),
        (Proto::TCP, false),
        (Proto::SCTP, false),
    ] {
        let mut planner = empty();
        let mut port = of(proto);
        assert!(!planner.plan(&desired4(vec![port.clone()])).lost_udp);
        let image = planner.image().clone();
        port.cluster.pop();
        assert_eq!(planner.plan(&desired4(vec![port])).lost_udp, lost);
        assert_eq!(planner.plan(&desired4(vec![])).lost_udp, lost);
        // After a restart nobody knows whose they were.
        let mut planner = Planner::adopt(image, ROOM);
        assert!(planner.plan(&desired4(vec![])).lost_udp);
    }
}

#[test]
fn rule_5_2_9_and_5_2_12_a_plan_tells_when_a_udp_frontend_leaves_its_service_port() {
    for (proto, told) in [(Proto::UDP, true), (Proto::TCP, false)] {
        let port = of(proto);
        let mut heir = port.clone();
        heir.key = std::sync::Arc::new(PortKey {
            service: "heir".to_owned(),
            ..(*port.key).clone()
        });
        let mut fewer = port.clone();
        fewer.cluster.pop();
        let mut planner = empty();
        let mut tells = |ports: Vec<DesiredPort<Ip4>>| planner.plan(&desired4(ports)).moved_udp;
        assert!(!tells(vec![port.clone()]), "a new one is nobody's loss");
        assert!(!tells(vec![fewer]), "it is still the Service's");
        assert_eq!(tells(vec![heir]), told);
        assert_eq!(tells(vec![]), told);
    }
}

#[test]
fn rule_5_2_12_so_does_a_plan_for_what_changed() {
    let port = std::sync::Arc::new(of(Proto::UDP));
    let mut planner = empty();
    let _first = planner.plan(&desired4(vec![(*port).clone()]));
    let mut delta = crate::desired::Delta::default();
    delta.v4.gone.push(std::sync::Arc::clone(&port.key));
    assert!(planner.advance(&delta).moved_udp);
}
