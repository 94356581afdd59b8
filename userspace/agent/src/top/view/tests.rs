use std::time::Duration;

use ratatui::{Terminal, backend::TestBackend, crossterm::event::KeyCode};

use super::{
    super::{keys, testing::report},
    *,
};

fn state() -> State {
    let mut state = State::new(Duration::from_secs(2), String::new());
    state.is_live = true;
    state.take(report(10));
    state.take(report(12));
    state
}

/// What a person sees.
fn screen(state: &State, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal
        .draw(|frame| draw(state, frame.area(), frame.buffer_mut()))
        .unwrap();
    let cells = terminal
        .backend()
        .buffer()
        .content
        .chunks(usize::from(width));
    let line = |row: &[ratatui::buffer::Cell]| row.iter().map(|cell| cell.symbol()).collect();
    cells
        .map(|row| {
            let line: String = line(row);
            line.trim_end().to_owned()
        })
        .collect()
}

fn press(state: &mut State, key: KeyCode) {
    let _next = keys::press(state, key.into());
}

#[test]
fn eighty_columns_show_the_node_the_services_and_the_keys() {
    let seen = screen(&state(), 80, 24);
    assert_eq!(
        seen[..9],
        [
            "tidegate top   node node-a   version 0.1.0   synced",
            "flows 1237 active   flow tables 0% of 262k   service ports 3",
            "pkt/s 1.53k  bit/s 1.22M  new/s 32     rejects/s 3.0    drops/s 4.0",
            "refused: source_range 4.0/s   no_endpoints 3.0/s",
            "",
            "SERVICE                       PROTO  PKT/S\u{25bc}  BYTE/S  NEW/S  ACTIVE  REF/S  READY",
            "default/web:http                TCP   1.50k    150k     20    1200    3.0    2/3",
            "kube-system/kube-dns:dns        UDP      20   2.00k     10      37    3.0    1/1",
            "default/web:http               TCP6       -       -      -       0      -    0/0",
        ]
    );
    assert_eq!(
        seen[23],
        "q quit  ? help  \u{2191}\u{2193} choose  Enter backends  / filter  s order (by packets)"
    );
}

#[test]
fn two_hundred_columns_show_both_directions_and_sums() {
    let seen = screen(&state(), 200, 50);
    let words: Vec<&str> = seen[5].split_whitespace().collect();
    assert_eq!(words.first(), Some(&"SERVICE"));
    assert_eq!(words.last(), Some(&"BYTES"));
    let values: Vec<&str> = seen[6].split_whitespace().collect();
    assert_eq!(
        values,
        [
            "default/web:http",
            "80",
            "TCP",
            "1.00k",
            "500",
            "1.50k",
            "100k",
            "50.0k",
            "150k",
            "20",
            "1200",
            "3.0",
            "2/3",
            "240",
            "1.80M"
        ]
    );
}

#[test]
fn enter_shows_the_backends_below_the_services() {
    let mut state = state();
    press(&mut state, KeyCode::Enter);
    let seen = screen(&state, 80, 24);
    assert_eq!(
        seen[9..14],
        [
            "",
            "backends of default/web:http TCP",
            "  ADDRESS                             PKT/S  BYTE/S  NEW/S  ACTIVE",
            "  10.244.0.7:8080                       900   90.0k     12     600",
            "  10.244.1.9:8080 (gone)                600   60.0k    8.0     600",
        ]
    );
}

#[test]
fn the_help_fits_eighty_columns_and_twenty_four_lines() {
    let mut state = state();
    press(&mut state, KeyCode::Char('?'));
    let seen = screen(&state, 80, 24);
    let text = seen.join("\n");
    for sort in Sort::ALL {
        let (key, name) = sort.key();
        assert!(text.contains(&format!("{key} {name}")), "{name} in {text}");
    }
    assert!(text.contains("not counted (see --traffic-counters), or not known yet"));
    assert!(!text.contains("SERVICE"));
}

#[test]
fn before_the_second_answer_there_are_counts_and_no_rates() {
    let mut state = State::new(Duration::from_secs(2), String::new());
    state.take(report(10));
    let seen = screen(&state, 80, 24);
    assert_eq!(seen[2], "rates in 2 s");
    let row = seen
        .iter()
        .find(|line| line.starts_with("default/web:http "))
        .unwrap();
    assert!(
        row.ends_with("TCP       -       -      -    1200      -    2/3"),
        "{row}"
    );
}

#[test]
fn an_agent_that_is_away_is_told_and_the_last_picture_stays() {
    let mut state = state();
    state.fail("the agent is away; asking again".into());
    let seen = screen(&state, 80, 24);
    assert!(
        seen[0].ends_with("the agent is away; asking again"),
        "{}",
        seen[0]
    );
    assert!(seen[6].starts_with("default/web:http"));
}

#[test]
fn a_filter_without_a_match_says_so() {
    let mut state = state();
    for letter in "/zzz".chars() {
        press(&mut state, KeyCode::Char(letter));
    }
    let seen = screen(&state, 80, 24);
    assert!(
        seen[1].ends_with("service ports 0 of 3 (filter: zzz)"),
        "{}",
        seen[1]
    );
    assert!(seen[6].contains("nothing has \u{201c}zzz\u{201d} in it"));
    assert!(seen[23].starts_with("filter: zzz_"));
}

#[test]
fn many_services_scroll_with_the_cursor() {
    let mut state = state();
    let mut many = report(14);
    let one = many.services[0].clone();
    many.services = (0..100_u32)
        .map(|id| tidegate_api::ServiceTraffic {
            id,
            name: format!("s{id:02}"),
            ..one.clone()
        })
        .collect();
    state.take(many);
    press(&mut state, KeyCode::Char('o'));
    press(&mut state, KeyCode::End);
    let seen = screen(&state, 80, 24);
    assert!(seen[22].starts_with("default/s99:http"), "{}", seen[22]);
    press(&mut state, KeyCode::Home);
    assert!(screen(&state, 80, 24)[6].starts_with("default/s00:http"));
}

#[test]
fn no_size_is_too_small_to_draw() {
    let mut state = state();
    for open in [false, true] {
        state.set_open(open);
        for width in [0, 1, 2, 10, 20, 39, 51, 80, 140] {
            for height in 0..12 {
                let _seen = screen(&state, width.max(1), height.max(1));
                draw(
                    &state,
                    Rect::new(0, 0, width, height),
                    &mut Buffer::empty(Rect::new(0, 0, width, height)),
                );
            }
        }
    }
}

/// The lines of a still picture.
fn picture(state: &State) -> Vec<String> {
    let buffer = still(state, 80);
    let rows = buffer.content.chunks(80);
    let line = |row: &[ratatui::buffer::Cell]| row.iter().map(|cell| cell.symbol()).collect();
    rows.map(line).collect()
}

#[test]
fn a_still_picture_has_all_rows_and_no_keys() {
    let mut state = state();
    assert!(state.open_service("default/web"));
    for filter in ["", "web", "web tcp6"] {
        state.filter = filter.to_owned();
        state.chosen = Some(1);
        state.choose_visible();
        let lines = picture(&state);
        let has = |start: &str| lines.iter().any(|line| line.starts_with(start));
        assert_eq!(has("kube-system/kube-dns:dns"), filter.is_empty());
        assert!(has("default/web:http               TCP6"));
        assert_eq!(
            has("  10.244.0.7:8080 "),
            filter != "web tcp6",
            "{lines:#?}"
        );
        assert_eq!(has("  10.244.1.9:8080 (gone)"), filter != "web tcp6");
        assert!(!has("q quit"));
    }
}
