//! The commands by which people steer: `holds`, `resume`, `ignore`, `pause` and `unpause`.
//!
//! They write nothing but the annotations that the controller obeys, with the rights of whoever types
//! them: an owner who may edit a Job need not be allowed to touch its Workload.

pub mod annotate;
pub mod confirm;
pub mod holds;
pub mod ignore;
pub mod pause;
pub mod resume;
