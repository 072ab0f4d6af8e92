//! Who may do what: the permission table as data, and the permits it hands out.
//!
//! A use case that changes something asks for a [`Permit`] of its action, so that it can't be called without one. Only
//! this module makes permits: [`permit`] from an actor and the scope of the target, the others for what no table
//! decides.

use std::marker::PhantomData;

use uuid::Uuid;

use super::model::{Actor, AgencyRole, KeyScope, SmeRole};
use crate::fault::{FORBIDDEN, Fault, Outcome, SECOND_FACTOR, say};

/// How an actor stands to a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    Sme(SmeRole),
    Agency(AgencyRole),
    Operator,
}

/// Something that needs permission.
pub trait Action {
    /// Who may.
    const MAY: &'static [Relation];
    /// Whether everybody may know that the target exists, so that a refusal says 403 rather than 404.
    const TARGET_IS_PUBLIC: bool = false;
    /// The scope by which a secret key may; without one only people may.
    const KEY: Option<KeyScope> = None;
}

const OWNER: Relation = Relation::Sme(SmeRole::Owner);
const STAFF: Relation = Relation::Sme(SmeRole::Staff);
const OFFICER: Relation = Relation::Agency(AgencyRole::Officer);
const MENTOR: Relation = Relation::Agency(AgencyRole::Mentor);
const COORDINATOR: Relation = Relation::Agency(AgencyRole::Coordinator);
const CURATOR: Relation = Relation::Agency(AgencyRole::Curator);
const HEAD: Relation = Relation::Agency(AgencyRole::Head);
const OPERATOR: Relation = Relation::Operator;

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident $(($public:ident))? [$($who:expr),*] $(by $key:ident)?;)*) => {
        $($(#[$doc])* pub struct $name;
        impl Action for $name {
            const MAY: &'static [Relation] = &[$($who),*];
            $(const TARGET_IS_PUBLIC: bool = stringify!($public).len() > 0;)?
            $(const KEY: Option<KeyScope> = Some(KeyScope::$key);)?
        })*
    };
}

actions! {
    /// Read an SME's workspace: profile, products of every status, photos.
    ReadSme [OWNER, STAFF, OFFICER, MENTOR, COORDINATOR, CURATOR, HEAD, OPERATOR] by SmeRead;
    /// Edit the profile; staff may, members they may not touch.
    EditSme [OWNER, STAFF, OPERATOR];
    /// Invite, remove and re-role members.
    ManageMembers [OWNER, OPERATOR];
    /// Verify, reject, suspend an SME.
    ReviewSme [OFFICER, COORDINATOR, HEAD, OPERATOR];
    /// Create, edit, submit, pause, archive products and their photos.
    EditProduct [OWNER, STAFF] by ProductsWrite;
    /// Approve, send back, reject, suspend products.
    ReviewProduct [OFFICER, MENTOR, COORDINATOR, HEAD, OPERATOR];
    /// Create and run exhibitions.
    ManageExhibition (public) [COORDINATOR, HEAD];
    /// Read exhibitions that are not announced yet, and exhibitors of all.
    ReadExhibition [OFFICER, MENTOR, COORDINATOR, CURATOR, HEAD, OPERATOR] by ExhibitionsRead;
    /// Read legal documents; a curator sees met or unmet only.
    ReadDocuments [OWNER, OFFICER, MENTOR, COORDINATOR, HEAD];
    /// Register and take back legal documents.
    EditDocuments [OWNER];
    /// Verify, reject and revoke legal documents.
    VerifyDocuments [OFFICER, MENTOR, COORDINATOR, HEAD];
    /// Begin and edit an application.
    EditApplication [OWNER, STAFF];
    /// Hand in, withdraw, confirm and decline: the owner's word, or the coordinator's on behalf.
    Apply [OWNER, COORDINATOR];
    /// Read an application and its checklist.
    ReadApplication [OWNER, STAFF, OFFICER, MENTOR, COORDINATOR, CURATOR, HEAD, OPERATOR] by ExhibitionsRead;
    /// Prepare and release decisions, order the waitlist.
    Decide (public) [COORDINATOR, HEAD];
    /// Review applications; who may review which one, assignments and conflicts of interest decide.
    Review [CURATOR, MENTOR, COORDINATOR, HEAD];
    /// Say that a set-up document was read.
    Acknowledge [OWNER, STAFF];
    /// Let exhibitors in, and note who did not come.
    CheckIn [OFFICER, MENTOR, COORDINATOR, HEAD];
    /// Report what an exhibitor sold on a day.
    ReportSales [OWNER, STAFF, MENTOR, COORDINATOR] by SalesWrite;
    /// Read what all exhibitors sold.
    ReadResults [OFFICER, MENTOR, COORDINATOR, HEAD] by ResultsRead;
    /// Say who mentors an SME.
    ManageMentors [COORDINATOR, HEAD, OPERATOR];
    /// Add and change line-up items of one's own SME.
    EditLineup [OWNER, STAFF] by LineupWrite;
    /// Take an item out of the line-up.
    RemoveLineup [OWNER, STAFF, COORDINATOR] by LineupWrite;
    /// Invite and remove agency staff.
    ManageStaff [HEAD, OPERATOR];
    /// Read an agency: staff, programmes, groups.
    ReadAgency [OFFICER, MENTOR, COORDINATOR, CURATOR, HEAD, OPERATOR];
    /// Create agencies.
    CreateAgency [OPERATOR];
    /// Read the audit trail of an SME and what it owns.
    ReadAudit [OWNER, OFFICER, MENTOR, COORDINATOR, HEAD, OPERATOR];
    /// Say what categories ask of their products.
    ManageCategories [OPERATOR];
    /// Make and end API keys and webhooks.
    ManageClients [OWNER, COORDINATOR, HEAD, OPERATOR];
    /// What every signed-in person may do for themselves.
    OwnAccount [];
}

/// Proof that the policy allowed `A`, and for whom.
pub struct Permit<A> {
    by: Uuid,
    on_behalf_of: Option<Uuid>,
    by_client: Option<Uuid>,
    /// SMEs that the actor belongs to, on which it decides nothing.
    own: Vec<Uuid>,
    action: PhantomData<A>,
}

impl<A> Permit<A> {
    /// The person who acts.
    pub fn by(&self) -> Uuid {
        self.by
    }

    /// The SME for which somebody from outside it acts.
    pub fn on_behalf_of(&self) -> Option<Uuid> {
        self.on_behalf_of
    }

    /// SMEs that the actor belongs to: whatever is decided on one of them is decided by a colleague.
    pub fn own_smes(&self) -> &[Uuid] {
        &self.own
    }

    /// Fails if the actor belongs to the SME that would be decided on.
    pub fn not_ones_own(&self, sme: Uuid) -> Outcome<()> {
        if self.own.contains(&sme) { Err(conflict_of_interest()) } else { Ok(()) }
    }

    /// The program that acts, if one does.
    pub fn by_client(&self) -> Option<Uuid> {
        self.by_client
    }
}

/// What a target belongs to.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    pub sme: Option<Uuid>,
    pub agencies: Vec<Uuid>,
}

impl Scope {
    /// An SME as one agency deals with it, whatever other agencies it has.
    pub fn sme_at(agency: Uuid, sme: Uuid) -> Self {
        Self { sme: Some(sme), agencies: vec![agency] }
    }

    pub fn agency(agency: Uuid) -> Self {
        Self { sme: None, agencies: vec![agency] }
    }
}

/// All relations of `actor` to `scope`.
fn relations(actor: &Actor, scope: &Scope) -> Vec<Relation> {
    let own = actor.smes.iter().filter(|(sme, _)| scope.sme == Some(*sme)).map(|(_, role)| Relation::Sme(*role));
    let office = actor.agencies.iter().filter(|(agency, _)| scope.agencies.contains(agency)).map(|(_, role)| Relation::Agency(*role));
    own.chain(office).chain(actor.is_operator.then_some(Relation::Operator)).collect()
}

/// Whether a role that waits for a second factor would do.
fn is_withheld<A: Action>(actor: &Actor, scope: &Scope) -> bool {
    let office = actor.withheld.agencies.iter().filter(|(agency, _)| scope.agencies.contains(agency));
    office.map(|(_, role)| Relation::Agency(*role)).chain(actor.withheld.is_operator.then_some(Relation::Operator)).any(|role| A::MAY.contains(&role))
}

fn forbidden() -> Fault {
    Fault::new(&FORBIDDEN).detail(say("Peran Anda tidak mengizinkan ini.", "Your role does not allow this."))
}

/// The permit of `actor` for `A` on `scope`. Otherwise 404 for somebody who may not know that the target exists, and
/// 403 for somebody who may know it but not do this.
pub fn permit<A: Action>(actor: &Actor, scope: &Scope) -> Outcome<Permit<A>> {
    let relations = relations(actor, scope);
    if relations.iter().any(|relation| A::MAY.contains(relation)) {
        if let Some(key) = &actor.by_key
            && !A::KEY.is_some_and(|needed| key.scopes.contains(&needed))
        {
            return Err(Fault::new(&FORBIDDEN).detail(say("Kunci ini tidak punya cakupan untuk itu.", "This key lacks the scope for that.")));
        }
        let inside = scope.sme.is_some_and(|sme| actor.smes.iter().any(|(own, _)| *own == sme));
        let by_client = actor.by_key.as_ref().map(|key| key.client);
        let own = actor.smes.iter().map(|(sme, _)| *sme).collect();
        return Ok(Permit { by: actor.user_id, on_behalf_of: scope.sme.filter(|_| !inside), by_client, own, action: PhantomData });
    }
    if is_withheld::<A>(actor, scope) {
        let detail = say("Peran dinas berlaku setelah POST /v1/me/second-factor.", "A role in an office counts after POST /v1/me/second-factor.");
        return Err(Fault::new(&SECOND_FACTOR).detail(detail));
    }
    if A::TARGET_IS_PUBLIC || !relations.is_empty() {
        return Err(forbidden());
    }
    Err(Fault::not_found())
}

/// For an action that has no target yet, such as creating one: 403 rather than 404.
pub fn permit_new<A: Action>(actor: &Actor, scope: &Scope) -> Outcome<Permit<A>> {
    permit(actor, scope).map_err(|fault| if fault.kind.status == 404 { forbidden() } else { fault })
}

/// Nobody decides on an SME that they belong to.
pub fn not_ones_own(actor: &Actor, sme: Uuid) -> Outcome<()> {
    if actor.smes.iter().all(|(own, _)| *own != sme) { Ok(()) } else { Err(conflict_of_interest()) }
}

/// The refusal of a decision on one's own SME.
pub fn conflict_of_interest() -> Fault {
    let detail = say("Anda anggota IKM ini; mintalah rekan memutuskannya.", "You belong to this SME; ask a colleague to decide.");
    Fault::new(&FORBIDDEN).with("reason", "conflict_of_interest".into()).detail(detail)
}

/// Everybody's permit for their own account.
pub fn own_account(actor: &Actor) -> Permit<OwnAccount> {
    Permit { by: actor.user_id, on_behalf_of: None, by_client: None, own: Vec::new(), action: PhantomData }
}

/// A permit for what happens because its time has come, without an actor.
pub(crate) fn clock<A: Action>() -> Permit<A> {
    system(Uuid::nil())
}

/// A permit of the service itself, for the demo seed and the command line, where nobody has signed in.
pub(crate) fn system<A: Action>(by: Uuid) -> Permit<A> {
    Permit { by, on_behalf_of: None, by_client: None, own: Vec::new(), action: PhantomData }
}
