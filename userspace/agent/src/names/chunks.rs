//! A table by id that is cheap to copy: copies share all chunks but those that were changed since.

use std::{array, sync::Arc};

/// Entries that are copied when one of them changes.
const CHUNK: usize = 256;

/// A table from ids to what is known of them. Ids are low, but for a few that strangers chose.
#[derive(Debug)]
pub(super) struct Chunks<T> {
    /// By the chunk's number, sorted.
    chunks: Vec<(u32, Arc<Chunk<T>>)>,
    len: usize,
}

type Chunk<T> = [Option<T>; CHUNK];

impl<T> Clone for Chunks<T> {
    fn clone(&self) -> Self {
        Self {
            chunks: self.chunks.clone(),
            len: self.len,
        }
    }
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self {
            chunks: Vec::new(),
            len: 0,
        }
    }
}

impl<T: Clone> Chunks<T> {
    pub(super) fn get(&self, id: u32) -> Option<&T> {
        let (number, index) = place(id);
        let at = self.find(number).ok()?;
        self.chunks[at].1[index].as_ref()
    }

    /// Puts something at an id, or takes away what is there.
    pub(super) fn set(&mut self, id: u32, value: Option<T>) {
        let (number, index) = place(id);
        let at = match self.find(number) {
            Ok(at) => at,
            Err(_) if value.is_none() => return,
            Err(at) => {
                let empty = Arc::new(array::from_fn(|_| None));
                self.chunks.insert(at, (number, empty));
                at
            }
        };
        let entry = &mut Arc::make_mut(&mut self.chunks[at].1)[index];
        self.len += usize::from(value.is_some());
        self.len -= usize::from(entry.is_some());
        *entry = value;
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.chunks.iter().flat_map(|(number, chunk)| {
            let ids = number * CHUNK as u32..=number * CHUNK as u32 + (CHUNK as u32 - 1);
            let entries = ids.zip(chunk.iter());
            entries.filter_map(|(id, value)| Some((id, value.as_ref()?)))
        })
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    fn find(&self, number: u32) -> Result<usize, usize> {
        self.chunks.binary_search_by_key(&number, |it| it.0)
    }
}

fn place(id: u32) -> (u32, usize) {
    (id / CHUNK as u32, id as usize % CHUNK)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn it_is_a_table_whatever_the_ids_are() {
        let mut chunks = Chunks::default();
        let mut table = BTreeMap::new();
        let ids = [0, 1, 255, 256, 70_000, u32::MAX, 1, 256, 70_000, 3];
        for (round, id) in ids.into_iter().enumerate() {
            let value = (round % 4 != 3).then_some(round);
            chunks.set(id, value);
            match value {
                Some(value) => table.insert(id, value),
                None => table.remove(&id),
            };
            assert!(
                chunks
                    .iter()
                    .eq(table.iter().map(|(id, value)| (*id, value)))
            );
            assert_eq!(chunks.len(), table.len());
            assert!(ids.iter().all(|id| chunks.get(*id) == table.get(id)));
        }
    }

    #[test]
    fn a_copy_stays_as_it_was_and_shares_what_did_not_change() {
        let mut new = Chunks::default();
        new.set(1, Some("a"));
        new.set(1000, Some("b"));
        let old = new.clone();
        new.set(1, Some("c"));
        assert_eq!((old.get(1), new.get(1)), (Some(&"a"), Some(&"c")));
        assert!(!Arc::ptr_eq(&old.chunks[0].1, &new.chunks[0].1));
        assert!(Arc::ptr_eq(&old.chunks[1].1, &new.chunks[1].1));
    }
}
