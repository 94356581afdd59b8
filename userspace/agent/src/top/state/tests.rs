use super::{super::testing::report, *};

fn state() -> State {
    let mut state = State::new(Duration::from_secs(2), String::new());
    state.take(report(0));
    state.take(report(2));
    state
}

fn web(state: &State) -> Row {
    state.rows.iter().find(|row| row.id == 1).unwrap().clone()
}

#[test]
fn an_answer_in_between_does_not_make_jumpy_rates() {
    let mut state = state();
    let mut early = report(2);
    early.monotonic_nanoseconds += 10_000_000;
    let web_now = &mut early.services[0];
    web_now.traffic = web_now.traffic.map(|it| TrafficCount {
        packets: it.packets + 100,
        ..it
    });
    state.take(early);
    state.take(report(4));
    // Measured over two seconds, not over the time since the early answer.
    assert_eq!(web(&state).rates.unwrap().packets, 1000.0);
}

#[test]
fn backends_that_are_new_in_an_answer_have_rates_with_the_next_one() {
    let mut state = State::new(Duration::from_secs(2), String::new());
    let without = |second| {
        let mut report = report(second);
        for service in &mut report.services {
            service.backends.clear();
        }
        report
    };
    state.take(without(0));
    state.take(without(2));
    let mut early = report(2);
    early.monotonic_nanoseconds += 10_000_000;
    state.take(early);
    assert_eq!(web(&state).backends[0].rates, None);
    state.take(report(4));
    assert!(web(&state).backends[0].rates.is_some());
}

#[test]
fn the_cursor_stays_on_top_until_somebody_moves_it_and_then_with_its_service() {
    let mut state = State::new(Duration::from_secs(2), String::new());
    state.take(report(0));
    state.sort = Sort::Name;
    state.order();
    assert_eq!(state.chosen, Some(1));
    state.reversed = true;
    state.order();
    assert_eq!(state.chosen, Some(3));
    state.walk(1);
    let held = state.chosen;
    state.reversed = false;
    state.order();
    assert_eq!(state.chosen, held);
}

#[test]
fn a_service_that_went_away_gives_the_cursor_to_another() {
    let mut state = state();
    state.walk(1);
    let mut fewer = report(4);
    fewer.services.retain(|it| Some(it.id) != state.chosen);
    state.take(fewer);
    assert!(state.cursor().is_some());
}

#[test]
fn a_service_is_opened_by_its_name_and_one_that_is_not_there_is_not() {
    let mut state = state();
    assert!(!state.open_service("default/nobody"));
    assert_eq!(state.wanted(), None);
    assert!(state.open_service("kube-system/kube-dns"));
    assert_eq!(state.wanted(), Some(3));
}

#[test]
fn maps_that_were_made_anew_have_no_rates_for_one_interval() {
    let mut state = state();
    let mut anew = report(1);
    anew.monotonic_nanoseconds = report(4).monotonic_nanoseconds;
    state.take(anew);
    assert_eq!(web(&state).rates, None);
    let mut next = report(3);
    next.monotonic_nanoseconds = report(6).monotonic_nanoseconds;
    state.take(next);
    assert_eq!(web(&state).rates.unwrap().packets, 1000.0);
}
