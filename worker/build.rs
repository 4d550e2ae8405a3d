//! Makes Cargo compile the worker again when the files in `migrations/` change. The macro that
//! embeds these files does not report them to Cargo.

fn main() {
    println!("cargo::rerun-if-changed=../migrations");
}
