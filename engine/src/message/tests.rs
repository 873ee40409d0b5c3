//! Reading, on messages of people and machines.
