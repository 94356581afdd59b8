use super::*;

struct Item([&'static str; 4]);

impl Row for Item {
    const COLUMNS: &'static [Column] = &[
        Column::new("NAME").down_to(6),
        Column::new("AGE").rank(2),
        Column::new("WHY").down_to(8).rank(1),
        Column::new("MORE").wide(),
    ];

    fn cells(&self) -> Vec<Cell> {
        self.0.iter().map(|text| Cell::new(*text)).collect()
    }
}

const ITEMS: [Item; 2] = [
    Item(["a-long-name", "3s", "because it is so", "m"]),
    Item(["short", "120s", "so", "mm"]),
];

fn at(width: usize) -> String {
    let screen = Screen {
        width: Some(width),
        colours: false,
    };
    render(&ITEMS, false, screen)
}

#[test]
fn with_room_everything_shows_whole() {
    let whole = "NAME         AGE   WHY\n\
                 a-long-name  3s    because it is so\n\
                 short        120s  so\n";
    assert_eq!(at(35), whole);
    assert_eq!(render(&ITEMS, false, Screen::default()), whole);
}

#[test]
fn the_widest_columns_are_shortened_first_and_only_as_far_as_needed() {
    assert_eq!(
        at(29),
        "NAME         AGE   WHY\n\
         a-long-name  3s    because i…\n\
         short        120s  so\n"
    );
    assert_eq!(
        at(24),
        "NAME      AGE   WHY\n\
         a-long-…  3s    because…\n\
         short     120s  so\n"
    );
}

#[test]
fn where_shortening_is_not_enough_the_least_important_columns_go() {
    assert_eq!(
        at(21),
        "NAME        WHY\na-long-na…  because…\nshort       so\n"
    );
    assert_eq!(at(12), "NAME\na-long-name\nshort\n");
    for width in 6..60 {
        for line in at(width).lines() {
            assert!(line.chars().count() <= width, "{width}: {line}");
        }
    }
}

struct Flowing;

impl Row for Flowing {
    const COLUMNS: &'static [Column] = &[
        Column::new("NAME"),
        Column::new("WHY").down_to(10).flowing(),
    ];

    fn cells(&self) -> Vec<Cell> {
        vec!["eth0".into(), "because it is so".into()]
    }
}

#[test]
fn a_flowing_column_goes_on_below_itself() {
    let at = |width| {
        let colours = false;
        render(&[Flowing], false, Screen { width, colours })
    };
    assert_eq!(at(Some(17)), "NAME  WHY\neth0  because it\n      is so\n");
    assert_eq!(at(None), "NAME  WHY\neth0  because it is so\n");
}

#[test]
fn wide_shows_every_column_whatever_the_terminal() {
    let screen = Screen {
        width: Some(10),
        colours: false,
    };
    let text = render(&ITEMS, true, screen);
    assert!(
        text.starts_with("NAME         AGE   WHY               MORE\n"),
        "{text}"
    );
}

#[test]
fn an_escape_in_a_name_does_not_reach_the_terminal() {
    let item = Item(["\u{1b}[31mx", "", "", ""]);
    assert!(render(&[item], false, Screen::default()).contains("?[31mx"));
}

#[test]
fn texts_are_broken_at_blanks() {
    assert_eq!(wrapped("one two three", Some(7)), ["one two", "three"]);
    assert_eq!(wrapped("one two three", None), ["one two three"]);
    assert_eq!(wrapped("longer-than-that", Some(4)), ["longer-than-that"]);
}
