//! Plays random histories by the real program on all cores: `histories-shell FIRST COUNT`, by seeds from
//! FIRST on. They are those of the engine tier (`make histories`), judged as there.

#[path = "../../sim/examples/histories/campaign.rs"]
mod campaign;
mod play;
mod troubles;

use std::process::ExitCode;

use campaign::Campaign;
use dislodge_sim::random::Recipe;

fn main() -> ExitCode {
    Campaign {
        usual: 1000,
        progress: 500,
        play: |recipe: &Recipe| play::play(recipe).outcome,
        story: |recipe: &Recipe| play::play(recipe).story,
    }
    .run()
}
