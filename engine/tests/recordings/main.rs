//! What a watcher recorded of a real kubelet, told once more: the failed pulls that are counted are
//! those that happened, however the events arrive.

#[cfg(test)]
mod cases;
#[cfg(test)]
mod counting;
#[cfg(test)]
mod delivery;
#[cfg(test)]
mod derive;
#[cfg(test)]
mod mixture;
#[cfg(test)]
mod moments;
#[cfg(test)]
mod recording;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod told;
#[cfg(test)]
mod truth;
#[cfg(test)]
mod watcher;
