//! The configuration as a whole: layers, search, and every problem at once.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::channel::NAMES;
use super::keys::{KEYS, LOCATION, LOCATION_CODE};
use super::*;

/// Inputs with this environment, away from the machine's own files.
fn inputs(environment: &[(&str, &str)]) -> Inputs {
    let pairs = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Inputs {
        directory: PathBuf::from("/elsewhere"),
        environment: pairs.collect(),
        ..Inputs::default()
    }
}

fn build(text: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    Config::build(&inputs(environment), Some(PathBuf::from("/shop/invshop.toml")), text)
}

/// The problems of a text, as they are displayed.
fn problems(text: &str, environment: &[(&str, &str)]) -> Vec<String> {
    let error = build(text, environment).unwrap_err();
    error.problems().iter().map(ToString::to_string).collect()
}

/// The example with its settings in force.
fn example_in_force() -> String {
    let setting = |line: &str| {
        let bare = line.strip_prefix('#')?;
        let begins = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '[';
        bare.starts_with(begins).then(|| bare.to_owned())
    };
    let lines = Config::example_text().lines();
    lines.map(|line| setting(line).unwrap_or_else(|| line.to_owned()) + "\n").collect()
}

#[test]
fn without_any_file_everything_is_default() {
    let directory = tempfile::tempdir().unwrap();
    let inputs = Inputs { directory: directory.path().to_owned(), ..Inputs::default() };
    let config = Config::load(&inputs).unwrap();
    assert_eq!(config.file, None);
    let database = directory.path().join("invshop.db");
    assert_eq!(config.database.url.to_string(), format!("sqlite:{}", database.display()));
    assert_eq!(config.database.key_file.path(), directory.path().join("invshop.db.key"));
    assert_eq!(config.orders, OrdersConfig { split: true, hold_seconds: 900 });
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8700");
    assert_eq!(config.server.public_url, None);
    assert!(config.locations.is_empty() && config.warnings.is_empty());
}

#[test]
fn the_example_as_it_is_changes_nothing() {
    let config = build(Config::example_text(), &[]).unwrap();
    assert_eq!(format!("{config:?}"), format!("{:?}", build("", &[]).unwrap()));
}

#[test]
fn the_example_names_every_key_there_is() {
    let mut settings = Settings::default();
    assert!(settings.add_file(&example_in_force()).is_ok());
    assert_eq!(settings.problems, []);
    let named: BTreeSet<String> = settings.paths().map(ToString::to_string).collect();
    // Of a channel's names some are the vendor's, and the channels after the first only
    // show what differs.
    assert!(named.iter().any(|name| name.starts_with("channel[1].places.")));
    let is_ours = |name: &&String| !name.contains("].credentials.") && !name.contains("].places.");
    let is_first = |name: &&String| !name.starts_with("channel[") || name.starts_with("channel[0]");
    let named: BTreeSet<String> = named.iter().filter(is_ours).filter(is_first).cloned().collect();
    let known = KEYS.map(|key| match key.section {
        LOCATION => key.path_at(Some(0)).to_string(),
        _ => key.path().to_string(),
    });
    let of_channel = NAMES.iter().map(|name| format!("channel[0].{name}"));
    let known = known.into_iter().chain(of_channel);
    assert_eq!(named, known.collect());
}

#[test]
fn the_example_shows_the_defaults() {
    let example = example_in_force();
    let variables = example.split("\"env:").skip(1).filter_map(|rest| rest.split('"').next());
    let environment: Vec<_> = variables.map(|name| (name, "x")).collect();
    let shown = build(&example, &environment).unwrap();
    let default = build("", &[]).unwrap();
    assert_eq!(format!("{:?}", shown.database), format!("{:?}", default.database));
    assert_eq!(shown.orders, default.orders);
    assert_eq!(shown.server.listen, default.server.listen);
    assert_eq!(shown.server.trusted_proxies, default.server.trusted_proxies);
    assert_eq!(shown.auth.token_seconds, default.auth.token_seconds);
    assert_eq!(shown.rate_limit, default.rate_limit);
    assert_eq!(shown.schedule, default.schedule);
    assert_eq!(shown.telemetry, default.telemetry);
    assert_eq!(shown.locations[0].kind, LocationKind::default());
    let bare = "[[channel]]\nname = 'web'\nkind = 'woocommerce'\n";
    let (shown_channel, bare) = (&shown.channels[0], &build(bare, &[]).unwrap().channels[0]);
    assert_eq!((shown_channel.mode, shown_channel.poll_seconds), (bare.mode, bare.poll_seconds));
    assert_eq!(bare.rules, RulesConfig::default());
    assert_eq!(RulesConfig { max_quantity: None, ..shown_channel.rules }, RulesConfig::default());
    assert_eq!(shown.warnings, []);
}

#[test]
fn proxies_are_addresses_and_networks_in_the_file_and_in_the_environment() {
    let shown = |config: Config| {
        let all = config.server.trusted_proxies.iter().map(ToString::to_string);
        all.collect::<Vec<_>>()
    };
    let file = "[server]\ntrusted_proxies = ['10.0.0.7', 'fd00::/8']\n";
    assert_eq!(shown(build(file, &[]).unwrap()), ["10.0.0.7/32", "fd00::/8"]);
    let variable = [("INVSHOP__SERVER__TRUSTED_PROXIES", "10.0.0.0/8, 127.0.0.1")];
    assert_eq!(shown(build("", &variable).unwrap()), ["10.0.0.0/8", "127.0.0.1/32"]);
    for wrong in ["*", "https://", "shop.example.com", "https://shop.example.com/x"] {
        let found = problems(&format!("[server]\ncors_origins = ['{wrong}']\n"), &[]);
        assert!(found[0].contains("is no origin"), "{found:?}");
    }
    let found = problems("[server]\ntrusted_proxies = ['10.0.0.0/40']\n", &[]);
    assert!(found[0].contains("\"10.0.0.0/40\" is no address"), "{found:?}");
}

const CHANNELS: &str = r#"
[[channel]]
name = "web"
kind = "woocommerce"
url = "https://shop.example.com/"
locations = ["main", "store"]
[channel.credentials]
consumer_key = "ck_plain"
consumer_secret = "env:CS"
[channel.webhook]
secret = "env:WS"
[channel.rules]
buffer = 2
max_quantity = 50

[[channel]]
name = "till"
kind = "other"
mode = "paused"
"#;

#[test]
fn channels_are_read_with_their_sections() {
    let config = build(CHANNELS, &[("CS", "cs_hidden"), ("WS", "signs")]).unwrap();
    let [web, till] = config.channels.as_slice() else { panic!("{:?}", config.channels) };
    assert_eq!((web.name.as_str(), web.kind.as_str()), ("web", "woocommerce"));
    assert_eq!(web.url.as_deref(), Some("https://shop.example.com"));
    assert_eq!(web.locations.as_deref(), Some(&["main".to_owned(), "store".to_owned()][..]));
    assert_eq!(web.credentials["consumer_secret"].expose(), "cs_hidden");
    assert_eq!(web.webhook.as_ref().unwrap().secret.expose(), "signs");
    assert_eq!((web.rules.buffer, web.rules.max_quantity), (2, Some(50)));
    assert_eq!((till.mode, till.url.as_deref()), (ChannelMode::Paused, None));
    let warned: Vec<_> = config.warnings.iter().map(|one| one.key.as_str()).collect();
    assert_eq!(warned, ["channel[0].credentials.consumer_key"]);
    assert!(!format!("{config:?}").contains("ck_plain"), "secrets do not show");
    let other = build(CHANNELS, &[("CS", "cs_new"), ("WS", "signs")]).unwrap();
    assert_eq!(other.differs_from(&config), ["channel"]);
}

#[test]
fn a_location_feeds_one_place_of_a_channel() {
    let channel = "[[channel]]\nname = 'm'\nkind = 'x'\n";
    let places = "[channel.places]\n'gid://x/1' = ['main', 'store']\nsouth = ['back']\n";
    let config = build(&format!("{channel}{places}"), &[]).unwrap();
    assert_eq!(config.channels[0].places["gid://x/1"], ["main", "store"]);
    // Another channel has places of its own.
    let two = format!("{channel}{places}[[channel]]\nname = 'n'\nkind = 'x'\n{places}");
    assert_eq!(build(&two, &[]).unwrap().channels.len(), 2);
    let shared = format!("{channel}{places}west = ['main']\n");
    assert_eq!(
        problems(&shared, &[]),
        ["line 7: channel[0].places.west: location_shared: \"main\" feeds the place \
          \"gid://x/1\" already; a location feeds at most one place of a channel"]
    );
    let twice = format!("{channel}locations = ['main']\n{places}");
    assert_eq!(
        problems(&twice, &[]),
        ["line 4: channel[0].locations: is given, and so is [channel.places]: only one of them"]
    );
    let empty = format!("{channel}[channel.places]\nnorth = []\n");
    assert!(problems(&empty, &[])[0].starts_with("line 5: channel[0].places.north: is empty"));
}

#[test]
fn what_is_wrong_with_channels_is_told_by_its_key() {
    let text = "[[channel]]\nkind = 'a'\n[[channel]]\nname = 'a'\nkind = 'x'\nlocations = [1]\n\
        [channel.rules]\nbufer = 1\nshare_percent = 101\n[channel.webhook]\n\
        previous_secret = 'x'\n[[channel]]\nname = 'a'\nkind = 'x'\ncolour = 1\n[channel.credentials]\nk = 'env:NONE'\n";
    let found = problems(text, &[]);
    for (found, expected) in found.iter().zip([
        "line 1: channel[0].name: is missing",
        "line 6: channel[1].locations: expected a list of texts in quotes",
        "line 8: channel[1].rules.bufer: unknown key",
        "line 9: channel[1].rules.share_percent: expected a whole number from 0 to 100",
        "line 11: channel[1].webhook.previous_secret: is the secret before",
        "line 13: channel[2].name: another channel has the name",
        "line 15: channel[2].colour: unknown key",
        "line 17: channel[2].credentials.k: the environment variable NONE is not set",
    ]) {
        assert!(found.starts_with(expected), "{found}\n{expected}");
    }
    assert_eq!(found.len(), 8, "{found:#?}");
}

#[test]
fn every_known_key_is_read_and_checks_its_type() {
    for key in KEYS {
        let (header, path) = match key.section {
            LOCATION => (format!("[[{LOCATION}]]"), key.path_at(Some(0))),
            section => (format!("[{section}]"), key.path()),
        };
        // A location without a code has a problem of its own.
        let code = if key.section == LOCATION && key != LOCATION_CODE { "code = 'a'" } else { "" };
        let found = problems(&format!("{header}\n{code}\n{} = 1979-05-27", key.name), &[]);
        assert_eq!(found.len(), 1, "{found:?}");
        let start = format!("line 3: {path}: expected ");
        assert!(found[0].starts_with(&start), "{}", found[0]);
        assert!(found[0].ends_with(", found a date or time"), "{}", found[0]);
    }
}

/// A file in which hardly anything is right.
const WRONG: &str = r#"
[orders]
split = "yes"
hold_second = 60
hold_seconds = 0

[server]
listen = "localhost:8700"
public_url = "stock.example.com"
tls_key = "cert.pem"

[database]
url = "mysql://ada:hunter2@db/shop"
key = "env:KEY"

[[location]]
code = "main"
kind = "shed"

[[location]]
code = "main"

[[location]]
name = ""

[[channel]]
name = "shop"

[sever]
"#;

/// How the problems of [`WRONG`], and of two wrong variables, begin.
const WRONG_PROBLEMS: [&str; 16] = [
    "line 3: orders.split: expected true or false, found a text in quotes",
    "line 4: orders.hold_second: unknown key; did you mean \"hold_seconds\"?",
    "line 5: orders.hold_seconds: expected a whole number from 1 to 2592000, found 0",
    "line 8: server.listen: expected ADDRESS:PORT in numbers",
    "line 9: server.public_url: expected https://HOST or http://HOST",
    "line 10: server.tls_key: expected file:PATH, a file in PEM",
    "line 13: database.url: expected sqlite:FILE or postgres://",
    "line 14: database.key: expected file:PATH",
    "line 18: location[0].kind: expected one of warehouse, store, third_party, transit, \
         quarantine, found \"shed\"",
    "line 21: location[1].code: another location has the code \"main\" already",
    "line 23: location[2].code: is missing",
    "line 24: location[2].name: is empty",
    "line 26: channel[0].kind: is missing",
    "line 29: sever: unknown section; did you mean \"server\"?",
    "alerts.on: the section [alerts] is not supported yet \
         (environment variable INVSHOP__ALERTS__ON)",
    "orders.splt: unknown key; did you mean \"split\"? \
         (environment variable INVSHOP__ORDERS__SPLT)",
];

#[test]
fn every_problem_is_found_at_once_in_the_order_of_the_file() {
    let found = problems(WRONG, &[("INVSHOP__ORDERS__SPLT", "x"), ("INVSHOP__ALERTS__ON", "true")]);
    assert_eq!(found.len(), WRONG_PROBLEMS.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(WRONG_PROBLEMS) {
        assert!(found.starts_with(expected), "{found}\n{expected}");
    }
    let displayed = build(WRONG, &[]).unwrap_err().to_string();
    assert!(displayed.starts_with("/shop/invshop.toml is not valid:\n  line 3: "), "{displayed}");
    assert!(!displayed.contains("hunter2"), "{displayed}");
}

#[test]
fn a_syntax_error_names_file_line_and_column_and_shows_no_content() {
    let error = build("[database]\nurl = \"ü\" \"hunter2\"\n", &[]).unwrap_err();
    let displayed = error.to_string();
    assert!(displayed.starts_with("/shop/invshop.toml, line 2, column 11: "), "{displayed}");
    assert!(!displayed.contains("hunter2"), "{displayed}");
    for text in ["[orders", "[orders]\nsplit = ", "= 1", "[orders]\nsplit=1\nsplit=2", "\u{0}"] {
        let error = build(text, &[]).unwrap_err();
        assert!(matches!(error, ConfigError::Syntax { .. }), "{error}");
    }
}

#[test]
fn sections_of_the_wrong_shape_are_told_how_to_be_written() {
    for (text, expected) in [
        ("orders = 5", "line 1: orders: expected a section, written [orders]"),
        ("[[orders]]", "line 1: orders: expected a section, written [orders]"),
        ("[location]", "line 1: location: expected a list of sections, each written [[location]]"),
        ("location = [1]", "line 1: location[0]: expected a section, written [[location]]"),
        ("\"a\\nb\" = 1", "line 1: a\\nb: unknown section"),
        ("[orders]\n'' = 1", "line 2: orders.: unknown key"),
    ] {
        assert_eq!(problems(text, &[]), [expected]);
    }
}

#[test]
fn a_later_layer_replaces_single_settings() {
    let mut inputs =
        inputs(&[("INVSHOP__ORDERS__HOLD_SECONDS", "60"), ("INVSHOP__ORDERS__SPLIT", "true")]);
    inputs.overrides.insert("orders.hold_seconds".to_owned(), "30".to_owned());
    let text = "server.listen = '0.0.0.0:80'\n[orders]\nsplit = false\nhold_seconds = 1_000";
    let config = Config::build(&inputs, None, text).unwrap();
    assert_eq!(config.orders, OrdersConfig { split: true, hold_seconds: 30 });
    assert_eq!(config.server.listen.to_string(), "0.0.0.0:80");
}

#[test]
fn a_value_that_is_replaced_is_not_judged() {
    let config = build("orders.split = 'maybe'", &[("INVSHOP__ORDERS__SPLIT", "false")]).unwrap();
    assert!(!config.orders.split);
}

#[test]
fn values_from_outside_the_file_say_where_they_came_from() {
    let variable = |name, value| problems("", &[(name, value)]).join("\n");
    assert_eq!(
        variable("INVSHOP__ORDERS__HOLD_SECONDS", "soon"),
        "orders.hold_seconds: expected a whole number from 1 to 2592000, found something else \
         (environment variable INVSHOP__ORDERS__HOLD_SECONDS)"
    );
    assert!(variable("INVSHOP__DATABASE__URL", "").starts_with("database.url: is empty"));
    assert!(variable("INVSHOP__LOCATION__0__CODE", "a").contains("only be given in the file"));
    assert!(variable("INVSHOP__ORDERS", "a").starts_with("orders: unknown key"));
    assert!(variable("INVSHOP__", "a").starts_with(": unknown section"));
    let mut inputs = inputs(&[("INVSHOPPING", "x"), ("INVSHOP_LOG", "debug")]);
    inputs.overrides.insert("server.listen".to_owned(), "x".to_owned());
    let error = Config::build(&inputs, None, "").unwrap_err().to_string();
    assert!(error.starts_with("the configuration is not valid:\n  server.listen: "), "{error}");
    assert!(error.ends_with("(command line)"), "{error}");
}

#[test]
fn paths_start_at_the_directory_of_the_file() {
    let config = build("[database]\nurl='sqlite:data/a.db'\nkey='file:keys/a'", &[]).unwrap();
    assert_eq!(config.directory, Path::new("/shop"));
    assert_eq!(config.database.url.to_string(), "sqlite:/shop/data/a.db");
    assert_eq!(config.database.key_file.path(), Path::new("/shop/keys/a"));
    let config = build("", &[("INVSHOP__DATABASE__URL", "postgres://db/shop")]).unwrap();
    assert_eq!(config.database.key_file.path(), Path::new("/shop/invshop.key"));
}

#[test]
fn a_password_in_the_file_is_a_warning_and_shows_nowhere() {
    let text = "[database]\nurl = 'postgres://ada:hunter2@db/shop'";
    let config = build(text, &[]).unwrap();
    assert_eq!(config.warnings.len(), 1);
    assert_eq!(config.warnings[0].key, "database.url");
    assert_eq!(config.warnings[0].line, Some(2));
    let shown = format!("{config:?}{:?}", config.warnings);
    assert!(shown.contains("postgres://ada:[redacted]@db/shop"), "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");
    assert_eq!(build("database.url = 'postgres://ada@db/shop'", &[]).unwrap().warnings, []);
}

#[test]
fn a_password_elsewhere_is_no_warning() {
    let url = "postgres://ada:hunter2@db/shop";
    for (text, name) in [("", "INVSHOP__DATABASE__URL"), ("database.url = 'env:URL'", "URL")] {
        let config = build(text, &[(name, url)]).unwrap();
        assert_eq!(config.warnings, []);
        assert!(matches!(&config.database.url, DatabaseUrl::Postgres(u) if u.expose() == url));
    }
    let unset = problems("database.url = 'env:URL'", &[]);
    assert_eq!(unset, ["line 1: database.url: the environment variable URL is not set"]);
    let odd = problems("database.url = 'env:URL'", &[("URL", "mysql://ada:hunter2@db")]);
    assert!(odd[0].contains("the environment variable URL: expected sqlite:FILE"), "{odd:?}");
    assert!(!odd[0].contains("hunter2"), "{odd:?}");
}

#[test]
fn locations_get_their_code_as_name_and_are_warehouses() {
    let text = "[[location]]\ncode='main'\n[[location]]\ncode='s1'\nname='Store'\nkind='store'";
    let expected =
        [("main", "main", LocationKind::Warehouse), ("s1", "Store", LocationKind::Store)];
    let locations = build(text, &[]).unwrap().locations;
    assert_eq!(
        locations,
        expected.map(|(code, name, kind)| LocationConfig {
            code: code.to_owned(),
            name: name.to_owned(),
            kind
        })
    );
}

#[test]
fn public_urls_lose_the_slash_at_their_end() {
    for (given, expected) in [
        ("https://stock.example.com/", Some("https://stock.example.com")),
        ("http://10.0.0.1:8700/shop", Some("http://10.0.0.1:8700/shop")),
        ("https://", None),
        ("https:///path", None),
        ("https://:80", None),
        ("https://ada:hunter2@stock.example.com", None),
        ("https://stock.example.com?x=1", None),
        ("ftp://stock.example.com", None),
    ] {
        assert_eq!(server::public_url(given).ok().as_deref(), expected, "{given}");
    }
}
