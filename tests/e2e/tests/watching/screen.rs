//! What is on a terminal's screen after everything that was written to it: as much of a terminal as `top` needs.

/// The lines of the screen.
pub(crate) fn screen(written: &str, columns: usize, lines: usize) -> Vec<String> {
    let mut cells = vec![vec![' '; columns]; lines];
    let (mut x, mut y) = (0, 0);
    let mut rest = written.chars();
    while let Some(letter) = rest.next() {
        match letter {
            '\u{1b}' => {
                let command = command(&mut rest);
                match command.chars().last() {
                    Some('H') => (y, x) = place(&command),
                    Some('J') => cells = vec![vec![' '; columns]; lines],
                    _ => {}
                }
            }
            '\r' => x = 0,
            '\n' => y += 1,
            letter => {
                if let Some(cell) = cells.get_mut(y).and_then(|line| line.get_mut(x)) {
                    *cell = letter;
                }
                x += 1;
            }
        }
    }
    cells.into_iter().map(String::from_iter).collect()
}

/// Of `12;40H`, counted from zero.
fn place(command: &str) -> (usize, usize) {
    let mut numbers = command
        .trim_end_matches('H')
        .split(';')
        .map(|text| text.parse().unwrap_or(1_usize));
    let mut next = || numbers.next().unwrap_or(1).saturating_sub(1);
    (next(), next())
}

/// What follows the escape, up to the letter that ends it.
fn command(rest: &mut std::str::Chars<'_>) -> String {
    let mut command = String::new();
    for letter in rest.by_ref() {
        if letter != '[' {
            command.push(letter);
        }
        if letter.is_ascii_alphabetic() {
            break;
        }
    }
    command
}

#[test]
fn the_screen_shows_what_was_written_last() {
    let written = "\u{1b}[?1049h\u{1b}[1;1H\u{1b}[38;5;2mhello\u{1b}[2;3Hthere\u{1b}[1;2Ha";
    assert_eq!(screen(written, 8, 2), ["hallo   ", "  there "]);
    assert_eq!(screen("a\u{1b}[2Jb", 2, 1), [" b"]);
}
