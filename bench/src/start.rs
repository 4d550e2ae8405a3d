//! Measures the time from the start of all servers until orders can be placed.

use anyhow::Result;
use local::Stack;
use std::time::Instant;

pub(crate) async fn run() -> Result<()> {
    let stack = Stack::fresh(1, &[])?;
    for what in ["first start, from no data", "later start, with data"] {
        let begun = Instant::now();
        stack.start().await?;
        println!("{what:26} {:5.1} s", begun.elapsed().as_secs_f64());
        stack.stop().await?;
    }
    Ok(())
}
