//! `init`, help and completions.

use std::fs;

use serde_json::json;

use super::{Cli, both_shops};

both_shops!(a_new_shop_has_a_location_a_key_and_a_configuration, |cli| {
    let config = fs::read_to_string(cli.path().join("invshop.toml")).unwrap();
    assert!(config.contains("#hold_seconds = 900"), "the settings are commented");
    let locations = cli.json(&["location", "list"]);
    assert_eq!(locations["data"][0]["code"], "main");
    assert_eq!(locations["data"][0]["sellable"], json!(true));
    let checks = cli.json(&["doctor"]);
    let checks = checks["data"].as_array().unwrap();
    assert!(checks.len() >= 7, "{checks:?}");
    let ok = checks.iter().all(|check| check["state"] == "ok" || check["check"] == "config");
    assert!(ok, "{checks:?}");
});

#[test]
fn init_tells_the_key_once_and_as_json() {
    let cli = Cli::nothing();
    let made = cli.json(&["init", "shop"]);
    let names: Vec<&String> = made.as_object().unwrap().keys().collect();
    assert_eq!(names, ["config", "database", "key"]);
    let key = made["key"].as_str().unwrap();
    assert!(key.starts_with("inv_"), "{key}");
    for entry in fs::read_dir(cli.path().join("shop")).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(key.len()).any(|window| window == key.as_bytes()));
    }
    let config = made["config"].as_str().unwrap();
    assert_eq!(cli.json(&["--config", config, "item", "list"])["data"], json!([]));
}

#[test]
fn init_refuses_what_exists_and_leaves_nothing_of_its_own() {
    for (present, left) in [
        ("invshop.toml", vec!["invshop.toml"]),
        ("invshop.db", vec!["invshop.db"]),
        ("invshop.db.key", vec!["invshop.db.key"]),
    ] {
        let cli = Cli::nothing();
        fs::write(cli.path().join(present), "").unwrap();
        let error = cli.error(1, &["init"]);
        assert_eq!(error["code"], "already_exists");
        assert!(error["path"].as_str().unwrap().ends_with(present), "{error}");
        assert_eq!(entries(&cli), left);
    }
}

#[test]
fn init_takes_a_half_made_shop_back() {
    let cli = Cli::nothing();
    let said = cli
        .command(&["--json", "init", "new/shop"])
        .env("INVSHOP__DATABASE__KEY", "file:missing/invshop.key")
        .output()
        .unwrap();
    assert_eq!(said.status.code(), Some(2), "{said:?}");
    assert_eq!(entries(&cli), [""; 0], "the directories are gone too");
    let error = cli.error(2, &["init", "shop", "--database-url", "mysql://host/shop"]);
    assert_eq!(error["code"], "config");
    assert_eq!(error["problems"][0]["key"], "database.url");
    assert_eq!(entries(&cli), [""; 0]);
}

#[test]
fn init_uses_a_configuration_that_is_there_and_creates_its_locations() {
    let cli = Cli::nothing();
    let text = "[database]\nurl = \"sqlite:own.db\"\n\
                [[location]]\ncode = \"main\"\nname = \"Hall\"\n\
                [[location]]\ncode = \"store\"\nkind = \"store\"\n";
    let config = cli.path().join("own.toml");
    fs::write(&config, text).unwrap();
    cli.json(&["--config", "own.toml", "init"]);
    assert_eq!(fs::read_to_string(&config).unwrap(), text);
    assert!(cli.path().join("own.db.key").exists());
    let list = |cli: &Cli| cli.json(&["--config", "own.toml", "location", "list"]);
    let codes = list(&cli);
    assert_eq!(codes["data"].as_array().unwrap().len(), 2);
    assert_eq!(codes["data"][1]["code"], "store");
    fs::write(&config, format!("{text}[[location]]\ncode = \"attic\"\n")).unwrap();
    assert_eq!(list(&cli)["data"][2]["code"], "attic", "one added later is created too");
    assert_eq!(list(&cli)["data"].as_array().unwrap().len(), 3);
    let error = cli.error(2, &["--config", "own.toml", "init", "elsewhere"]);
    assert_eq!(error["code"], "usage");
}

#[test]
fn every_noun_has_help_and_every_shell_its_script() {
    let cli = Cli::nothing();
    let help = cli.ok(&["--help"]);
    let nouns = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let nouns = nouns.take_while(|line| !line.is_empty());
    let nouns: Vec<&str> = nouns.filter_map(|line| line.split_whitespace().next()).collect();
    for noun in ["init", "stock", "item", "order", "location", "report", "db", "doctor"] {
        assert!(nouns.contains(&noun), "{nouns:?}");
    }
    for noun in nouns.iter().filter(|noun| **noun != "help") {
        assert!(cli.ok(&[noun, "--help"]).contains("Usage: invshop"), "{noun}");
    }
    for shell in ["bash", "zsh", "fish"] {
        assert!(cli.ok(&["completions", shell]).contains("write-off"), "{shell}");
    }
    assert!(cli.ok(&["man"]).contains(".TH invshop 1"));
    let pages = cli.json(&["man", "pages"])["pages"].as_u64().unwrap();
    let files = fs::read_dir(cli.path().join("pages")).unwrap().count();
    assert_eq!(u64::try_from(files).unwrap(), pages, "each page has a name of its own");
    let page = fs::read_to_string(cli.path().join("pages/invshop-stock-count.1")).unwrap();
    assert!(page.contains("observed\\-at"), "{page}");
    assert!(cli.ok(&["--version"]).starts_with("invshop "));
}

fn entries(cli: &Cli) -> Vec<String> {
    let entries = fs::read_dir(cli.path()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}
