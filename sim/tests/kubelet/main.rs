//! The kubelet model against what was read in the kubelet's code and recorded from a real one.

#[cfg(test)]
mod bench;
#[cfg(test)]
mod bounds;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod containers;
#[cfg(test)]
mod derive;
#[cfg(test)]
mod ending;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod pulling;
#[cfg(test)]
mod recording;
