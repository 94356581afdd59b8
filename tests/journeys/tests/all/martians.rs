//! Packets from addresses from which nothing can come.

use std::net::{IpAddr, SocketAddr};

use tidegate_abi::{
    Reason,
    frontend::flags::{INTERNAL, NODE_PORT},
};
use tidegate_journeys::{Bench, Case, journeys, textbook::SIBLING};

journeys! {
    all: rule_3_5_10_and_3_5_14_what_comes_from_the_loopback_a_group_or_nowhere_is_not_translated;
}

fn rule_3_5_10_and_3_5_14_what_comes_from_the_loopback_a_group_or_nowhere_is_not_translated(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let roles = case.places.roles;
    let sources: [IpAddr; 3] = if roles.client.is_ipv4() {
        [[127, 0, 0, 1].into(), [224, 0, 0, 1].into(), [0; 4].into()]
    } else {
        let group = [0xff02, 0, 0, 0, 0, 0, 0, 1];
        [
            [0, 0, 0, 0, 0, 0, 0, 1].into(),
            group.into(),
            [0; 16].into(),
        ]
    };
    for source in sources {
        let source = SocketAddr::new(source, 40_000);
        bench.serve(case, roles.node_port, NODE_PORT, &[roles.backend]);
        let exit = bench.uplink(&case.first(source, roles.node_port));
        exit.is_passed(Reason::NotService);
        bench.serve(case, roles.service, INTERNAL, &[roles.backend]);
        let exit = bench.pod(SIBLING, &case.first(source, roles.service));
        exit.is_passed(Reason::NotService);
        assert_eq!(bench.machine.records(), []);
    }
}
