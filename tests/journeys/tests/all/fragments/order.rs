//! Pieces out of order, and mixed with those of others.

use tidegate_abi::{Reason, frontend::flags::NODE_PORT};
use tidegate_frames::{
    Rng,
    oracle::{Options, fragment, reassemble},
};
use tidegate_journeys::{
    Bench, Case, Out, journeys,
    textbook::{POD, UPLINK},
};

use super::{
    BY_UPLINK, KNOWN, NEW, are_translated, cut, datagram, fresh_id, mask, seen, source, through,
};

journeys! {
    udp: rule_5_6_2_equal_identifications_of_two_clients_stay_apart,
        rule_5_6_2_pieces_of_another_datagram_are_not_taken_for_ours,
        rule_5_6_3_pieces_in_any_order_arrive,
        rule_5_6_3_a_large_datagram_backwards_arrives,
        rule_5_6_3_interleaved_datagrams_backwards_arrive;
}

/// The pieces of two datagrams, taken in turn.
fn interleaved(a: &[Vec<u8>], b: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let pairs = a.iter().zip(b);
    pairs.flat_map(|(a, b)| [a.clone(), b.clone()]).collect()
}

fn rule_5_6_2_equal_identifications_of_two_clients_stay_apart(bench: &mut Bench<'_>, case: &Case) {
    two_clients(bench, case, false);
}

fn rule_5_6_3_interleaved_datagrams_backwards_arrive(bench: &mut Bench<'_>, case: &Case) {
    two_clients(bench, case, true);
}

/// T55: two clients, one identification, one masquerading node.
fn two_clients(bench: &mut Bench<'_>, case: &Case, backwards: bool) {
    let (roles, dialled) = (case.places.roles, case.places.roles.node_port);
    let clients = [roles.client, case.places.neighbour];
    for pod in [roles.remote_backend, roles.backend] {
        bench.serve(case, dialled, NODE_PORT, &[pod]);
        let id = fresh_id();
        let wholes = clients.map(|client| {
            let frame = datagram(client, dialled, 4_000).tos(client.ip().is_ipv4().into());
            frame.build()
        });
        let [a, b] = [0, 1].map(|n| {
            fragment(&wholes[n], 1500, id, Options::All).expect("a datagram that can be cut")
        });
        let mut frames = interleaved(&a, &b);
        if backwards {
            frames.reverse();
        }
        let ends = through(bench, BY_UPLINK, &frames);
        let out = if pod == roles.backend {
            Out::Pod(POD)
        } else {
            Out::Link(UPLINK)
        };
        for (client, whole) in clients.into_iter().zip(&wholes) {
            let own = ends
                .iter()
                .filter(|exit| source(&exit.sent) == client.ip())
                .cloned();
            let own: Vec<_> = own.collect();
            let seen = seen(bench, case, client, dialled);
            are_translated(&own, whole, NEW, (seen, pod), out, mask(client, seen));
        }
        // All of them at one backend, which knows nothing of clients.
        let all: Vec<_> = ends.iter().map(|exit| exit.frame.clone()).collect();
        assert_eq!(reassemble(&all).map(|joined| joined.len()), Ok(2));
    }
}

fn rule_5_6_2_pieces_of_another_datagram_are_not_taken_for_ours(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let roles = case.places.roles;
    let (client, dialled) = (roles.client, roles.node_port);
    bench.serve(case, dialled, NODE_PORT, &[roles.backend]);
    let whole = datagram(client, dialled, 3_000).build();
    let (ours, others) = (cut(&whole, 1500), cut(&whole, 1500));
    let exit = bench.uplink(&ours[0]);
    exit.is_translated_piece(NEW[0], client, roles.backend, Out::Pod(POD), 0);
    // Another identification, or another source: its first piece has not come.
    bench.uplink(&others[1]).is_dropped(Reason::FragmentHeld);
    let elsewhere = datagram(case.places.neighbour, dialled, 3_000).build();
    let stranger = &cut(&elsewhere, 1500)[1];
    bench.uplink(stranger).is_dropped(Reason::FragmentHeld);
    let exit = bench.uplink(&ours[1]);
    exit.is_translated_piece(KNOWN[1], client, roles.backend, Out::Pod(POD), 0);
}

fn rule_5_6_3_pieces_in_any_order_arrive(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let (client, dialled, pod) = (roles.client, roles.node_port, roles.remote_backend);
    let mut rng = Rng::new(7);
    for round in 0..12 {
        bench.serve(case, dialled, NODE_PORT, &[pod]);
        let whole = datagram(client, dialled, 5_000 + round).build();
        let mut frames = cut(&whole, 1280);
        for last in (1..frames.len()).rev() {
            frames.swap(last, rng.below(last + 1));
        }
        let ends = through(bench, BY_UPLINK, &frames);
        let seen = seen(bench, case, client, dialled);
        let out = Out::Link(UPLINK);
        are_translated(&ends, &whole, NEW, (seen, pod), out, seen.port());
    }
}

fn rule_5_6_3_a_large_datagram_backwards_arrives(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let (client, dialled) = (roles.client, roles.node_port);
    bench.serve(case, dialled, NODE_PORT, &[roles.backend]);
    for mtu in [1500, 1280] {
        let whole = datagram(client, dialled, 65_000).build();
        let mut frames = cut(&whole, mtu);
        assert!(frames.len() > 40);
        frames.reverse();
        let ends = through(bench, BY_UPLINK, &frames);
        let reasons = [ends[0].reason.expect("a reason"), KNOWN[1]];
        let out = Out::Pod(POD);
        are_translated(&ends, &whole, reasons, (client, roles.backend), out, 0);
    }
}
