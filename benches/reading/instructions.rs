//! Reads the messages a number of times, so that callgrind can count what one time takes: the same on
//! every machine, however busy. `make count-reading` runs it and divides.

mod messages;

use std::hint::black_box;

use dislodge_engine::message::read;
use messages::{IMAGE, MESSAGES, naive};

fn main() {
    let mut args = std::env::args().skip(1);
    let way = args.next().unwrap_or_default();
    let times: u32 = args.next().and_then(|times| times.parse().ok()).unwrap_or(1);
    for _ in 0..times {
        for (_, message) in MESSAGES {
            if way == "naive" {
                black_box(naive(black_box(message)));
            } else {
                black_box(read(Some("ErrImagePull"), black_box(message), Some(IMAGE)));
            }
        }
    }
}
