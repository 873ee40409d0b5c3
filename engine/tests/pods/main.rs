//! Pods in every shape that matters.

#[cfg(test)]
mod shapes;
