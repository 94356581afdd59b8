//! Tests that an older kernel cannot pass, each with what it lacks.

use super::kernels::Kernel;

/// A test that is not run.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Skip {
    /// The program of tests.
    program: &'static str,
    /// Part of the test's name.
    pub(super) test: &'static str,
    /// The kernels that it is not run on.
    kernels: &'static [Kernel],
    pub(super) why: &'static str,
}

/// Linux 6.6.
const TCX: &str = "looks at tcx links; filters:: shows what is there instead";
const BEFORE_TCX: &[Kernel] = &[Kernel::V5_10, Kernel::V6_1];

const fn wants_tcx(test: &'static str) -> Skip {
    Skip {
        program: "kernel",
        test,
        kernels: BEFORE_TCX,
        why: TCX,
    }
}

const EVERY: &[Kernel] = &[Kernel::V5_10, Kernel::V6_1, Kernel::V6_12, Kernel::Newest];

/// The clock of flows begins when the machine starts.
const fn wants_age(test: &'static str) -> Skip {
    Skip {
        program: "all",
        test,
        kernels: EVERY,
        why: "a flow is to have rested for longer than the machine has been up",
    }
}

/// What only the oldest cannot show.
const fn not_on_5_10(program: &'static str, test: &'static str, why: &'static str) -> Skip {
    Skip {
        program,
        test,
        kernels: &[Kernel::V5_10],
        why,
    }
}

const SKIPS: &[Skip] = &[
    not_on_5_10(
        "all",
        "next_hops::",
        "before Linux 5.14 an XDP program cannot be told where a made-up frame enters",
    ),
    not_on_5_10(
        "all",
        "answers::rule_5_5_11_a_packet_too_big_for_the_way_on",
        "before Linux 5.12 the routing helper does not tell the MTU: 1280 is said instead",
    ),
    wants_age("crossing::trap_t10_after_the_flow_has_ended"),
    wants_age("sweeping::rule_5_7_2_and_5_3_5_an_open_connection"),
    not_on_5_10(
        "processes",
        "rule_2_4_13_a_process_is_refused",
        "before Linux 5.18 a socket hook cannot say why it refuses",
    ),
    wants_tcx("again::a_device_made_anew"),
    wants_tcx("again::a_second_attach_keeps_the_links"),
    wants_tcx("again::after_a_restart_the_new_programs_take"),
    wants_tcx("again::another_role_is_another_program"),
    wants_tcx("again::without_xdp_in_the_mode"),
    wants_tcx("again::another_mode_moves_xdp"),
    wants_tcx("attach::each_role_and_mode_gets_its_hooks"),
    wants_tcx("attach::only_while_this_host_has_backends"),
    wants_tcx("attach::after_a_restart_an_egress_program"),
    wants_tcx("lost::rule_5_1_11_a_program_that_somebody_detaches"),
    wants_tcx("lost::rule_5_1_11_a_device_whose_xdp_place"),
    wants_tcx("pins::rule_5_1_11_pins_that_somebody_removes"),
    wants_tcx("start::detach_all_takes_links_and_maps"),
    wants_tcx("versions::the_next_version_takes_links"),
];

/// What a kernel is spared of a program's tests.
pub(super) fn of(kernel: Kernel, program: &str) -> Vec<&'static Skip> {
    let spared = SKIPS
        .iter()
        .filter(|skip| skip.program == program && skip.kernels.contains(&kernel));
    spared.collect()
}
