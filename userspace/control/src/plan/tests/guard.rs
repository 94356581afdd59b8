//! Source ranges (rule 3.6): who is let in, before, during and after a plan.

use super::{
    super::testing::{Change, Numbered, block, clients, guarded, is_let_in},
    *,
};

/// Carries a plan out and checks each write.
fn carry_out(kernel: &mut Kernel, planner: &mut Planner, from: &Desired, to: &Desired) -> Plan {
    kernel.next_plan();
    let plan = planner.plan(to);
    let change = Change::new(&[from, to]);
    for write in &plan.writes {
        kernel.apply(write);
        kernel.check(&change, planner);
        kernel.read();
    }
    plan
}

/// The numbers of the clients that a frontend lets in.
fn let_in<A: Numbered>(image: &Image, host: u8) -> Vec<usize> {
    let value = A::half(image).frontends[&dialled(host)];
    let all = clients::<A>().enumerate();
    all.filter(|(_, client)| is_let_in(image, &value, *client))
        .map(|(number, _)| number)
        .collect()
}

fn ranged(name: &str, host: u8, targets: &[u8], blocks: &[(u8, usize)]) -> DesiredPort<Ip4> {
    let mut blocks: Vec<_> = blocks.iter().map(|it| block(it.0, it.1)).collect();
    blocks.sort_unstable();
    guarded(four(name, host, targets), &blocks)
}

#[test]
fn rule_3_6_1_only_frontends_with_the_flag_ask_for_the_ranges() {
    let mut port = ranged("a", 1, &[1], &[(0, 0)]);
    let open = (dialled(2), frontend::flags::INTERNAL);
    port.frontends.push(open);
    let mut planner = empty();
    let _plan = planner.plan(&desired4(vec![port]));
    assert_eq!(let_in::<Ip4>(planner.image(), 1), [0]);
    assert_eq!(let_in::<Ip4>(planner.image(), 2).len(), 8);
}

#[test]
fn rule_3_6_9_two_halves_of_everything_admit_everybody() {
    for open in [31, 32] {
        let mut planner = empty();
        let halves: Vec<_> = [[0, 0, 0, 0], [128, 0, 0, 0]]
            .map(|first| crate::desired::Block::new(Ip4::new(first), 32 - open))
            .into_iter()
            .collect();
        let port = guarded(four("a", 1, &[1]), &halves);
        let _plan = planner.plan(&desired4(vec![port]));
        assert_eq!(let_in::<Ip4>(planner.image(), 1).len(), 8, "/{}", 32 - open);
    }
    let mut planner = empty();
    let nobody = crate::desired::Block::new(Ip4::new([192, 0, 2, 1]), 32);
    let port = guarded(four("a", 1, &[1]), &[nobody]);
    let _plan = planner.plan(&desired4(vec![port]));
    assert_eq!(let_in::<Ip4>(planner.image(), 1), [0; 0]);
}

#[test]
fn rule_3_6_10_any_of_several_nested_ranges_admits() {
    let mut planner = empty();
    let port = ranged("a", 1, &[1], &[(0, 2), (1, 0), (2, 1), (6, 0)]);
    let _plan = planner.plan(&desired4(vec![port]));
    assert_eq!(let_in::<Ip4>(planner.image(), 1), [0, 1, 2, 3, 6]);
}

#[test]
fn rule_3_6_12_each_services_ranges_guard_its_own_ports_of_a_shared_address() {
    let mut other = ranged("b", 1, &[2], &[(4, 1)]);
    other.frontends[0].0.port = tidegate_abi::Port::new(443);
    let desired = desired4(vec![ranged("a", 1, &[1], &[(0, 1)]), other.clone()]);
    let mut planner = empty();
    let _plan = planner.plan(&desired);
    assert_eq!(let_in::<Ip4>(planner.image(), 1), [0, 1]);
    let value = planner.image().v4.frontends[&other.frontends[0].0];
    let let_in = clients::<Ip4>().filter(|client| is_let_in(planner.image(), &value, *client));
    assert_eq!(let_in.count(), 2);
    assert!(is_let_in(planner.image(), &value, Ip4::numbered(203, 5)));
}

#[test]
fn rule_3_6_13_ranges_come_change_and_go_without_disturbing_anything_else() {
    let other = four("b", 2, &[3]);
    let of = |port| desired4(vec![port, other.clone()]);
    let states = [
        of(four("a", 1, &[1, 2])),
        of(ranged("a", 1, &[1, 2], &[(0, 1), (4, 0)])),
        of(ranged("a", 1, &[1, 2], &[(0, 0), (4, 1)])),
        of(four("a", 1, &[1, 2])),
    ];
    let wanted: [&[usize]; 4] = [
        &[0, 1, 2, 3, 4, 5, 6, 7],
        &[0, 1, 4],
        &[0, 4, 5],
        &[0, 1, 2, 3, 4, 5, 6, 7],
    ];
    let (mut kernel, mut planner) = (Kernel::default(), empty());
    let mut before = Desired::default();
    for (step, (state, wanted)) in states.iter().zip(wanted).enumerate() {
        let plan = carry_out(&mut kernel, &mut planner, &before, state);
        assert_eq!(let_in::<Ip4>(&kernel.image, 1), wanted);
        assert_holds(&kernel.image, state, &planner);
        let touches_backends = |write: &Write| matches!(write, Write::Backend4(..));
        assert_eq!(step == 0, plan.writes.iter().any(touches_backends));
        let touches_other =
            |write: &Write| matches!(write, Write::Frontend4(key, _) if *key == dialled(2));
        assert_eq!(step == 0, plan.writes.iter().any(touches_other));
        before = state.clone();
    }
    assert!(kernel.image.v4.source_ranges.is_empty());
}

#[test]
fn rule_5_1_12_clients_are_admitted_first_and_barred_before_a_frontend_asks() {
    let mut planner = empty();
    let _first = planner.plan(&desired4(vec![ranged("a", 1, &[1], &[(0, 0)])]));
    let plan = planner.plan(&desired4(vec![ranged("a", 2, &[1], &[(1, 0)])]));
    let names: Vec<_> = plan
        .writes
        .iter()
        .map(|write| match write {
            Write::Admit4(_) => "admit",
            Write::Bar4(_) => "bar",
            Write::Frontend4(..) => "frontend",
            Write::RemoveFrontend4(_) => "remove",
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(names, ["admit", "bar", "frontend", "remove"]);
}

#[test]
fn rule_3_6_2_guarded_frontends_whose_ranges_do_not_fit_are_not_served() {
    let limits = Limits {
        source_ranges: 2,
        ..ROOM
    };
    let (mut kernel, mut planner) = (Kernel::default(), Planner::adopt(Image::default(), limits));
    let mut port = ranged("a", 1, &[1], &[(0, 0), (2, 0), (4, 0)]);
    port.frontends
        .push((dialled(2), frontend::flags::NODE_PORT));
    let before = desired4(vec![four("a", 1, &[1])]);
    let _open = carry_out(&mut kernel, &mut planner, &Desired::default(), &before);
    let plan = carry_out(
        &mut kernel,
        &mut planner,
        &before,
        &desired4(vec![port.clone()]),
    );
    assert_eq!(
        plan.problems[0].to_string(),
        "Service default/a: no room for the source ranges of default/a TCP IPv4 in map \
         source_ranges4; its guarded addresses are not served"
    );
    let served: Vec<_> = kernel.image.v4.frontends.keys().collect();
    assert_eq!(served, [&dialled(2)]);
    port.source_ranges.pop();
    let after = desired4(vec![port]);
    let plan = carry_out(&mut kernel, &mut planner, &before, &after);
    assert_eq!(plan.problems, []);
    assert_holds(&kernel.image, &after, &planner);
}

#[test]
fn rule_3_6_2_a_service_port_that_keeps_its_last_state_is_guarded_all_the_same() {
    let many = [1, 2, 4, 5, 7];
    let room = |source_ranges| Limits {
        slots: 4,
        source_ranges,
        ..ROOM
    };
    let before = desired4(vec![four("a", 1, &[1, 2])]);
    let start = |source_ranges| {
        let mut planner = Planner::adopt(Image::default(), room(source_ranges));
        let _plan = planner.plan(&before);
        planner
    };

    let mut planner = start(2);
    let tight = desired4(vec![ranged("a", 1, &many, &[(0, 0), (2, 0)])]);
    assert_eq!(planner.plan(&tight).problems.len(), 1);
    assert_eq!(let_in::<Ip4>(planner.image(), 1), [0, 2]);
    // It opens when there is room for all of its new state, not before.
    assert_eq!(
        planner
            .plan(&desired4(vec![four("a", 1, &many)]))
            .problems
            .len(),
        1
    );
    assert_eq!(let_in::<Ip4>(planner.image(), 1), [0, 2]);
    let _fits = planner.plan(&before);
    assert_holds(planner.image(), &before, &planner);

    let mut planner = start(1);
    assert_eq!(planner.plan(&tight).problems.len(), 2);
    assert!(planner.image().v4.frontends.is_empty());
}

#[test]
fn ranges_of_a_service_that_is_gone_are_removed_and_its_id_is_not_given_out() {
    let mut planner = empty();
    let _plan = planner.plan(&desired4(vec![ranged("a", 1, &[1], &[(0, 0)])]));
    let mut image = planner.image().clone();
    image.v4.frontends.clear();
    let mut planner = Planner::adopt(image.clone(), ROOM);
    let after = desired4(vec![ranged("b", 2, &[1], &[(1, 0)])]);
    let mut kernel = Kernel::holding(image);
    let _plan = carry_out(&mut kernel, &mut planner, &after, &after);
    assert_eq!(let_in::<Ip4>(&kernel.image, 2), [1]);
    assert_holds(&kernel.image, &after, &planner);
    assert_ne!(planner.service_id(&key::<Ip4>("b")), Some(1));
}
