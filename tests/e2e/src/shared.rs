//! One world for all tests of a file: building one costs more than most tests.

use std::{
    ops::{Deref, DerefMut},
    sync::{Mutex, MutexGuard, PoisonError},
};

use anyhow::Result;
use tidegate_rig::sweep_own_at_exit;

use crate::world::World;

/// One world for all tests of a program, one test at a time. It goes when the program ends.
pub struct Shared<T = World> {
    world: Mutex<Option<T>>,
    build: fn() -> Result<T>,
}

/// The world, for the one test that has it now.
pub struct Borrowed<'a, T = World>(MutexGuard<'a, Option<T>>);

impl<T> Shared<T> {
    pub const fn new(build: fn() -> Result<T>) -> Self {
        Self {
            world: Mutex::new(None),
            build,
        }
    }

    /// Builds it for the first who asks, and waits for the one who has it.
    pub fn borrow(&self) -> Result<Borrowed<'_, T>> {
        // A test that failed has left its Services behind, which are nobody else's.
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        if world.is_none() {
            sweep_own_at_exit();
            *world = Some((self.build)()?);
        }
        Ok(Borrowed(world))
    }
}

impl<T> Deref for Borrowed<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0
            .as_ref()
            .unwrap_or_else(|| unreachable!("it was built"))
    }
}

impl<T> DerefMut for Borrowed<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0
            .as_mut()
            .unwrap_or_else(|| unreachable!("it was built"))
    }
}
