//! Dislodge's imperative shell: everything that waits, reads a clock, or talks to the API server.
//!
//! All decisions are made in [`dislodge_engine`]; this package carries events in and effects out.
//!
//! ```text
//!   API server ──watch──▶ watch/   events as inputs ─┐
//!                         lease/   may we act, paused ┼─▶ driver ─▶ Engine::handle ─▶ effects
//!                         clock    now, deadlines ────┘     ▲                           │
//!                                                           │ outcome                   ▼
//!   API server ◀─patch─── apply    other people's objects ──┤◀── levers and Pods ───────┤
//!              ◀─patch─── report   our status, Events, ─────┘◀── everything else ───────┘
//!                                  the owner's explanation
//! ```
//!
//! Where to read on: [`run`] wires it all, [`driver`] is the one loop, [`apply`] and [`report`] are
//! the only two writers, [`request`] is what both send and how the answer is read.

mod annotation;
pub mod apply;
pub mod args;
pub mod bundle;
pub mod causes;
pub mod check;
pub mod classify;
pub mod client;
pub mod clock;
pub mod completion;
pub mod crd;
pub mod dispatch;
pub mod driver;
pub mod explain;
pub mod health;
pub mod inspect;
pub mod lease;
pub mod lint;
pub mod manual;
pub mod metrics;
pub mod probes;
pub mod record;
pub mod recording;
pub mod replay;
pub mod report;
pub mod request;
pub mod run;
mod scenario;
pub mod serve;
pub mod settings;
pub mod simulate;
mod source;
pub mod status;
pub mod steer;
pub mod suite;
pub mod tasks;
pub mod telemetry;
pub mod terminal;
pub mod watch;
