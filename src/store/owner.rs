//! Whose a new file is, where root works in the folder of a daemon.

use std::fs::File;
use std::os::unix::fs::{MetadataExt as _, fchown};
use std::path::Path;

/// Gives a file that was just made to the owner of another file or folder: what root
/// makes in a daemon's folder would be closed to the daemon. By the open file, so that
/// nothing else can be put in its place.
pub(crate) fn give_to_owner_of(other: &Path, file: &File) {
    let (Ok(own), Ok(wanted)) = (file.metadata(), other.metadata()) else {
        return;
    };
    if own.uid() != wanted.uid() {
        // Only root may; for anyone else it is a file in a folder of others.
        fchown(file, Some(wanted.uid()), Some(wanted.gid())).ok();
    }
}
