//! Several processes at once.

use super::{Cli, both_shops};

/// Processes that want the same unit.
const BUYERS: usize = 8;

both_shops!(of_many_processes_one_gets_the_last_unit, |cli| {
    cli.ok(&["item", "create", "LAST", "--on-hand", "1"]);
    let ids: Vec<String> = (0..BUYERS).map(|number| format!("buyer-{number}")).collect();
    let children: Vec<_> = ids
        .iter()
        .map(|id| {
            let mut command = cli.command(&["--json", "order", "place", id, "LAST:1"]);
            command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
            command.spawn().unwrap()
        })
        .collect();
    let mut codes: Vec<Option<i32>> = Vec::new();
    for child in children {
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        if output.status.code() == Some(1) {
            assert!(stderr.contains("insufficient_stock"), "{stderr}");
        }
        codes.push(output.status.code());
    }
    codes.sort_unstable();
    let mut wanted = vec![Some(0)];
    wanted.resize(BUYERS, Some(1));
    assert_eq!(codes, wanted);
    let item = cli.json(&["stock", "show", "LAST"]);
    assert_eq!((&item["reserved"], &item["on_hand"]), (&1.into(), &1.into()));
    assert_eq!(cli.json(&["order", "list"])["data"].as_array().unwrap().len(), 1);
});
