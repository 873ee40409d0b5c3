//! Reading real messages: the corpus, and the same under hostile names.

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod score;
