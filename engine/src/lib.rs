//! Dislodge's decisions: a state machine without client, clock, async, randomness or logging.
//!
//! [`Engine::handle`] takes one [`input::Input`] and the time, and gives [`effect::Effect`]s;
//! [`Engine::next_deadline`] says when it wants to be asked again. The shell turns watch events
//! into inputs, carries effects out and feeds their outcomes back. Simulators, offline commands and
//! benchmarks run this very code.
//!
//! The one path, a module each:
//!
//! ```text
//! watch event ─▶ observe   a Pod's status            ─▶ how each of its images stands
//!                record    observations              ─▶ counts of failed pulls, safe moments
//!                resolve   a queue                   ─▶ the policy that governs it
//!                judge     rules and counts          ─▶ a verdict
//!                plan      verdict and circumstances ─▶ what is done, and why nothing more
//!                          (apply and report carry it out, in the shell)
//! ```
//!
//! Beside the path: [`api`] is the contract with people, [`brake`] what holds the rules back, [`objects`] what is read of the cluster,
//! [`message`] why a pull failed by what is said of it, [`index`] what is remembered of the cluster,
//! [`owner`] whose job it is, [`lever`] who stops it, [`quota`] who counts its quota, [`explain`] the words, [`notice`] and
//! [`gauges`] what logs and metrics tell, [`timing`] the kubelet's schedule, and [`engine`] puts it all together.

pub mod api;
pub mod brake;
pub mod cause;
pub mod effect;
pub mod engine;
pub mod explain;
pub mod few;
pub mod gauges;
pub mod index;
pub mod input;
pub mod judge;
pub mod keys;
pub mod lever;
mod memo;
pub mod message;
mod name;
pub mod notice;
pub mod objects;
pub mod observe;
pub mod owner;
pub mod plan;
pub mod quota;
pub mod record;
pub mod resolve;
pub mod time;
pub mod timing;

pub use engine::{Config, Engine};
