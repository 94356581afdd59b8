//! `tidegate.toml`, as the package installs it.

use std::{collections::BTreeMap, fs};

use crate::{flags, text, understood};

const FILE: &str = "userspace/agent/dist/tidegate.toml";

/// The settings, and whether each is shown as its default (and not as an example).
fn settings() -> Vec<(String, String, bool)> {
    let text = text(FILE);
    let mut is_default = true;
    let mut settings = Vec::new();
    for line in text.lines() {
        let setting = line.strip_prefix('#').unwrap_or(line);
        match setting.split_once(" = ") {
            Some((name, value)) if !name.contains(' ') => {
                let is_active = !line.starts_with('#');
                settings.push((name.to_owned(), value.to_owned(), is_default && !is_active));
                is_default = true;
            }
            // Such a line tells what the default is, since the next one does not.
            _ => is_default = !setting.contains("Default:"),
        }
    }
    settings
}

#[test]
fn every_flag_of_run_is_in_the_packaged_configuration() {
    let settings = settings();
    let names: Vec<&str> = settings.iter().map(|(name, ..)| name.as_str()).collect();
    let of_the_command_line = ["config", "color"];
    for flag in flags().keys() {
        if of_the_command_line.contains(&flag.as_str()) {
            continue;
        }
        assert!(names.contains(&flag.as_str()), "{flag} is not in {FILE}");
    }
}

#[test]
fn every_setting_of_the_packaged_configuration_is_understood() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("tidegate.toml");
    let settings = settings();
    // The clash must be the only thing to complain about.
    let others = settings
        .iter()
        .filter(|(name, ..)| name != "masquerade-ports");
    let lines = others.map(|(name, value, _)| format!("{name} = {value}\n"));
    fs::write(&file, lines.collect::<String>()).expect("write");
    let file = file.to_str().expect("a path in UTF-8");
    understood(&["run", "--config", file], &BTreeMap::new());
}

#[test]
fn what_the_packaged_configuration_shows_as_default_is_the_default() {
    let flags = flags();
    let mut shown = 0;
    for (name, value, _) in settings().iter().filter(|(_, _, is_default)| *is_default) {
        let plain: String = value.chars().filter(|it| !"[]\" ".contains(*it)).collect();
        let default = flags.get(name).cloned().flatten();
        assert_eq!(default.as_deref(), Some(plain.as_str()), "{name}");
        shown += 1;
    }
    assert!(shown > 12, "only {shown} defaults were found");
}
