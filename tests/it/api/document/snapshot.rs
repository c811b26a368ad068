//! What was promised is kept: the document is held against the one in the repository.

use serde_json::Value;

use super::breaking::breaking;

const SNAPSHOT: &str = "tests/it/api/openapi.json";
/// Set, it writes the document of today where the snapshot is.
const REFRESH: &str = "INVSHOP_WRITE_OPENAPI";

#[test]
fn a_breaking_change_of_the_api_is_named_and_another_one_is_written_down() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(SNAPSHOT);
    let now = super::TEXT.as_str();
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    if kept == now {
        return;
    }
    if std::env::var_os(REFRESH).is_some() {
        std::fs::write(&path, now).unwrap();
        return;
    }
    let kept: Value = serde_json::from_str(&kept).unwrap();
    let broken = breaking(&kept, &serde_json::from_str(now).unwrap());
    let again = format!("{REFRESH}=1 scripts/test --test it a_breaking_change_of_the_api");
    assert!(
        broken.is_empty(),
        "the API breaks who uses it; add what is new beside what there was:\n  {}\n\
         Where it must be so nevertheless, say so in CHANGELOG.md and run {again}",
        broken.join("\n  ")
    );
    panic!("the API changed, and breaks nobody. Look at the change of {SNAPSHOT} after {again}");
}
