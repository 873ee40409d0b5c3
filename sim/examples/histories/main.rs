//! Plays random histories of the model on all cores: `histories FIRST COUNT`, by seeds from FIRST on.

mod campaign;

use std::process::ExitCode;

use campaign::Campaign;
use dislodge_sim::random::Recipe;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    Campaign { usual: 10_000, progress: 5000, play: Recipe::play, story: Recipe::story }.run()
}
