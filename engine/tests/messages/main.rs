//! Reading real messages: the corpus, and the same under hostile names.

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod cut;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod score;
