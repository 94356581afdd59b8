//! Keys, and what they change.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::{sort::Sort, state::State};

/// Whether to go on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Next {
    GoOn,
    End,
}

/// Rows that a page key walks.
const PAGE: isize = 10;
const FAR: isize = isize::MAX;

/// Takes in a key.
pub(super) fn press(state: &mut State, key: KeyEvent) -> Next {
    if key.kind == KeyEventKind::Release {
        return Next::GoOn;
    }
    // The terminal is raw: it makes no signal of this.
    if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
        return Next::End;
    }
    if state.help {
        state.help = false;
        return Next::GoOn;
    }
    if state.typing {
        write(state, key.code);
        return Next::GoOn;
    }
    command(state, key.code)
}

fn command(state: &mut State, key: KeyCode) -> Next {
    match key {
        KeyCode::Char('q') => return Next::End,
        KeyCode::Esc if !state.open && state.filter.is_empty() => return Next::End,
        KeyCode::Esc if !state.open => clear(state),
        KeyCode::Esc | KeyCode::Left => state.set_open(false),
        KeyCode::Enter => state.set_open(!state.open),
        KeyCode::Right => state.set_open(true),
        KeyCode::Up | KeyCode::Char('k') => state.walk(-1),
        KeyCode::Down | KeyCode::Char('j') => state.walk(1),
        KeyCode::PageUp => state.walk(-PAGE),
        KeyCode::PageDown | KeyCode::Char(' ') => state.walk(PAGE),
        KeyCode::Home | KeyCode::Char('g') => state.walk(-FAR),
        KeyCode::End | KeyCode::Char('G') => state.walk(FAR),
        KeyCode::Char('/') => state.typing = true,
        KeyCode::Char('?' | 'h') => state.help = true,
        KeyCode::Char('s') => order(state, state.sort.next()),
        KeyCode::Char('r') => {
            state.reversed = !state.reversed;
            state.order();
        }
        KeyCode::Char(letter) => {
            let chosen = Sort::ALL.into_iter().find(|it| it.key().0 == letter);
            if let Some(sort) = chosen {
                order(state, sort);
            }
        }
        _ => {}
    }
    Next::GoOn
}

/// The same column again turns the order around.
fn order(state: &mut State, sort: Sort) {
    state.reversed = state.sort == sort && !state.reversed;
    state.sort = sort;
    state.order();
}

fn clear(state: &mut State) {
    state.filter.clear();
    state.choose_visible();
}

fn write(state: &mut State, key: KeyCode) {
    match key {
        KeyCode::Enter => state.typing = false,
        KeyCode::Esc => {
            state.typing = false;
            state.filter.clear();
        }
        KeyCode::Backspace => {
            state.filter.pop();
        }
        KeyCode::Char(letter) => state.filter.push(letter),
        _ => {}
    }
    state.choose_visible();
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{super::testing::report, *};

    fn state() -> State {
        let mut state = State::new(Duration::from_secs(2), String::new());
        state.take(report(0));
        state.take(report(2));
        state
    }

    fn type_in(state: &mut State, text: &str) -> Next {
        let mut next = Next::GoOn;
        for letter in text.chars() {
            next = press(state, KeyCode::Char(letter).into());
        }
        next
    }

    fn names(state: &State) -> Vec<&str> {
        let rows = state.visible().into_iter();
        rows.map(|row| row.name.as_str()).collect()
    }

    #[test]
    fn q_escape_and_control_c_end_it() {
        assert_eq!(type_in(&mut state(), "q"), Next::End);
        assert_eq!(press(&mut state(), KeyCode::Esc.into()), Next::End);
        let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        let mut typing = state();
        type_in(&mut typing, "/q");
        assert_eq!(press(&mut typing, interrupt), Next::End);
    }

    #[test]
    fn a_filter_is_typed_kept_and_cleared() {
        let mut state = state();
        assert_eq!(type_in(&mut state, "/DNS udp"), Next::GoOn);
        assert_eq!(names(&state), ["kube-system/kube-dns:dns"]);
        assert_eq!(state.chosen, Some(3));
        press(&mut state, KeyCode::Enter.into());
        type_in(&mut state, "j");
        assert_eq!(state.filter, "DNS udp");
        assert_eq!(press(&mut state, KeyCode::Esc.into()), Next::GoOn);
        assert_eq!(names(&state).len(), 3);
    }

    #[test]
    fn enter_opens_the_backends_of_the_chosen_service_port_and_escape_closes_them() {
        let mut state = state();
        type_in(&mut state, "o");
        press(&mut state, KeyCode::Home.into());
        assert_eq!(state.chosen, Some(1));
        assert_eq!(state.wanted(), None);
        press(&mut state, KeyCode::Enter.into());
        assert_eq!(state.wanted(), Some(1));
        press(&mut state, KeyCode::Down.into());
        assert_eq!(state.wanted(), Some(2));
        press(&mut state, KeyCode::Esc.into());
        assert_eq!(state.wanted(), None);
    }

    #[test]
    fn the_cursor_stops_at_both_ends() {
        let mut state = state();
        let first = state.visible()[0].id;
        press(&mut state, KeyCode::Up.into());
        assert_eq!(state.chosen, Some(first));
        press(&mut state, KeyCode::End.into());
        let last = state.visible()[2].id;
        assert_eq!(state.chosen, Some(last));
        press(&mut state, KeyCode::PageDown.into());
        assert_eq!(state.chosen, Some(last));
    }

    #[test]
    fn a_letter_orders_and_the_same_again_turns_around() {
        let mut state = state();
        let packets = [
            "default/web:http",
            "kube-system/kube-dns:dns",
            "default/web:http",
        ];
        assert_eq!(names(&state), packets);
        type_in(&mut state, "o");
        assert_eq!(names(&state)[2], "kube-system/kube-dns:dns");
        type_in(&mut state, "o");
        assert_eq!(names(&state)[0], "kube-system/kube-dns:dns");
        type_in(&mut state, "e");
        let ready: Vec<usize> = state.visible().iter().map(|row| row.ready).collect();
        assert_eq!(ready, [0, 2, 1]);
    }
}
