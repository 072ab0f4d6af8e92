//! State machines as data: the OpenAPI texts, the 409 body and the property tests read one table.

use serde::Serialize;
use serde_json::json;

use crate::fault::{Fault, INVALID_TRANSITION, say};

/// A state that moves by events.
pub trait Machine: Copy + PartialEq + Serialize + 'static {
    type Event: Copy + PartialEq + Serialize + 'static;
    /// Every step there is.
    const STEPS: &'static [(Self, Self::Event, Self)];

    /// The state after `event`, or a fault that names the state and the events it allows.
    fn transition(self, event: Self::Event) -> Result<Self, Fault> {
        let step = Self::STEPS.iter().find(|(from, on, _)| *from == self && *on == event);
        step.map(|(_, _, to)| *to).ok_or_else(|| {
            let allowed: Vec<_> = self.allowed();
            Fault::new(&INVALID_TRANSITION)
                .with("state", json!(self))
                .with("allowed", json!(allowed))
                .detail(say("Lihat `allowed` untuk langkah yang mungkin.", "See `allowed` for what is possible."))
        })
    }

    /// The events that this state allows.
    fn allowed(self) -> Vec<Self::Event> {
        Self::STEPS.iter().filter(|(from, _, _)| *from == self).map(|(_, on, _)| *on).collect()
    }
}

macro_rules! state_machine {
    ($state:ident on $event:ident { $($from:ident: $($on:ident => $to:ident),+;)+ }) => {
        impl $crate::transitions::Machine for $state {
            type Event = $event;
            const STEPS: &'static [(Self, $event, Self)] = &[$($(($state::$from, $event::$on, $state::$to)),+),+];
        }
    };
}
pub(crate) use state_machine;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        catalogue::model::ListingStatus,
        documents::model::DocumentStatus,
        exhibitions::{applications::model::ApplicationStatus, model::ExhibitionStatus},
        sme::model::SmeStatus,
    };

    fn holds<M: Machine + std::fmt::Debug>() {
        for (from, event, to) in M::STEPS {
            assert_eq!(from.transition(*event).expect("a step of the table"), *to, "one target per state and event");
        }
        for (from, _, _) in M::STEPS {
            for (_, event, _) in M::STEPS {
                let stated = from.allowed().contains(event);
                assert_eq!(from.transition(*event).is_ok(), stated, "{from:?}");
            }
        }
    }

    #[test]
    fn every_state_allows_exactly_the_events_that_it_states() {
        holds::<ListingStatus>();
        holds::<ExhibitionStatus>();
        holds::<SmeStatus>();
        holds::<ApplicationStatus>();
        holds::<DocumentStatus>();
    }
}
