//! SQL of users, sessions and memberships.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, IntoActiveModel, entity::prelude::*};
use uuid::Uuid;

use super::{
    model::{AgencyRole, SmeRole},
    policy::Scope,
};
use crate::{
    fault::Outcome,
    platform::{
        clock::now,
        database::{Connection, sql},
        vault::Sealed,
    },
};

pub mod user {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "users")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub email: String,
        pub display_name: String,
        pub locale: String,
        pub password_hash: String,
        pub is_operator: i64,
        pub status: String,
        pub created_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Adds a user; the e-mail must be new.
pub async fn insert_user(connection: &Connection, user: user::Model) -> Outcome<Uuid> {
    Ok(user.into_active_model().insert(connection).await?.id)
}

pub async fn user_by_id(connection: &Connection, id: Uuid) -> Outcome<Option<user::Model>> {
    Ok(user::Entity::find_by_id(id).one(connection).await?)
}

pub async fn user_by_email(connection: &Connection, email: &str) -> Outcome<Option<user::Model>> {
    Ok(user::Entity::find().filter(user::Column::Email.eq(email)).one(connection).await?)
}

#[derive(FromQueryResult)]
pub struct SessionOwner {
    pub session_id: Uuid,
    pub user_id: Uuid,
    pub email: String,
    pub display_name: String,
    pub locale: String,
    pub is_operator: i64,
    pub has_second_factor: i64,
    /// Whether the session began with the second factor, or proved it since.
    pub proved_second_factor: i64,
    pub proved_at: Option<DateTime<Utc>>,
    pub last_seen_at: DateTime<Utc>,
}

/// The live session with this token hash, and whose it is.
pub async fn session_owner(connection: &Connection, token_hash: &str) -> Outcome<Option<SessionOwner>> {
    let text = "select s.id as session_id, s.last_seen_at, s.proved_second_factor, s.proved_at, u.id as user_id, u.email, u.display_name, u.locale, u.is_operator, \
                (select count(*) from user_totp t where t.user_id = u.id and t.confirmed_at is not null) as has_second_factor \
                from sessions s join users u on u.id = s.user_id \
                where s.token_hash = ? and s.revoked_at is null and s.expires_at > ? and u.status = 'active'";
    let row = connection.query_one_raw(sql(connection, text, [token_hash.into(), now().into()])).await?;
    Ok(row.map(|row| SessionOwner::from_query_result(&row, "")).transpose()?)
}

#[derive(FromQueryResult)]
struct Membership {
    kind: String,
    scope_id: Uuid,
    role: String,
}

/// All memberships of a user, in one statement.
pub async fn memberships(connection: &Connection, user: Uuid) -> Outcome<(Vec<(Uuid, SmeRole)>, Vec<(Uuid, AgencyRole)>)> {
    let text = "select 'sme' as kind, sme_id as scope_id, role from sme_memberships where user_id = ? \
                union all select 'agency', agency_id, role from agency_members where user_id = ?";
    let rows = connection.query_all_raw(sql(connection, text, [user.into(), user.into()])).await?;
    let (mut smes, mut agencies) = (Vec::new(), Vec::new());
    for row in &rows {
        let membership = Membership::from_query_result(row, "")?;
        if membership.kind == "sme" {
            smes.push((membership.scope_id, role(&membership.role)?));
        } else {
            agencies.push((membership.scope_id, role(&membership.role)?));
        }
    }
    Ok((smes, agencies))
}

fn role<R: ActiveEnum<Value = String>>(name: &String) -> Result<R, DbErr> {
    R::try_from_value(name)
}

pub async fn touch_session(connection: &Connection, session: Uuid) -> Outcome<()> {
    let text = "update sessions set last_seen_at = ? where id = ?";
    connection.execute_raw(sql(connection, text, [now().into(), session.into()])).await?;
    Ok(())
}

pub struct NewSession<'a> {
    pub user: Uuid,
    pub token_hash: &'a str,
    pub user_agent: &'a str,
    pub expires_at: DateTime<Utc>,
    pub proved_second_factor: bool,
}

pub async fn insert_session(connection: &Connection, session: NewSession<'_>) -> Outcome<Uuid> {
    let id = Uuid::now_v7();
    let text = "insert into sessions \
                (id, user_id, token_hash, user_agent, created_at, last_seen_at, expires_at, proved_second_factor, proved_at) \
                values (?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let values = [
        id.into(),
        session.user.into(),
        session.token_hash.into(),
        session.user_agent.into(),
        now().into(),
        now().into(),
        session.expires_at.into(),
        i64::from(session.proved_second_factor).into(),
        now().into(),
    ];
    connection.execute_raw(sql(connection, text, values)).await?;
    Ok(id)
}

/// Notes that the person of a session is there: proved now, with the second factor if `by_factor`.
pub async fn prove_session(connection: &Connection, session: Uuid, by_factor: bool) -> Outcome<()> {
    let text = if by_factor {
        "update sessions set proved_at = ?, proved_second_factor = 1 where id = ?"
    } else {
        "update sessions set proved_at = ? where id = ?"
    };
    connection.execute_raw(sql(connection, text, [now().into(), session.into()])).await?;
    Ok(())
}

/// Ends every session of the user but this one.
pub async fn end_other_sessions(connection: &Connection, user: Uuid, but: Uuid) -> Outcome<()> {
    let text = "update sessions set revoked_at = ? where user_id = ? and id <> ? and revoked_at is null";
    connection.execute_raw(sql(connection, text, [now().into(), user.into(), but.into()])).await?;
    Ok(())
}

#[derive(FromQueryResult)]
pub struct SessionRow {
    pub id: Uuid,
    pub user_agent: String,
    pub created_at: DateTime<Utc>,
    pub last_seen_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// The live sessions of a user, newest first.
pub async fn sessions(connection: &Connection, user: Uuid) -> Outcome<Vec<SessionRow>> {
    let text = "select id, user_agent, created_at, last_seen_at, expires_at from sessions \
                where user_id = ? and revoked_at is null and expires_at > ? order by id desc limit 100";
    let rows = connection.query_all_raw(sql(connection, text, [user.into(), now().into()])).await?;
    Ok(rows.iter().map(|row| SessionRow::from_query_result(row, "")).collect::<Result<_, _>>()?)
}

/// Ends a live session of the user; returns whether there was one.
pub async fn revoke_session(connection: &Connection, user: Uuid, session: Uuid) -> Outcome<bool> {
    let text = "update sessions set revoked_at = ? where id = ? and user_id = ? and revoked_at is null";
    let result = connection.execute_raw(sql(connection, text, [now().into(), session.into(), user.into()])).await?;
    Ok(result.rows_affected() == 1)
}

/// Attempts of `subject` since `since` that were not forgiven.
pub async fn attempts_since(connection: &Connection, subject: &str, since: DateTime<Utc>) -> Outcome<i64> {
    let text = "select count(*) as n from sign_in_failures where subject = ? and at > ?";
    let row = connection.query_one_raw(sql(connection, text, [subject.into(), since.into()])).await?;
    Ok(row.map(|row| row.try_get("", "n")).transpose()?.unwrap_or(0))
}

pub async fn insert_attempt(connection: &Connection, subject: &str) -> Outcome<Uuid> {
    let id = Uuid::now_v7();
    let text = "insert into sign_in_failures (id, subject, at) values (?, ?, ?)";
    connection.execute_raw(sql(connection, text, [id.into(), subject.into(), now().into()])).await?;
    Ok(id)
}

pub async fn remove_attempts(connection: &Connection, rows: &[Uuid]) -> Outcome<()> {
    for row in rows {
        connection.execute_raw(sql(connection, "delete from sign_in_failures where id = ?", [(*row).into()])).await?;
    }
    Ok(())
}

pub async fn set_password(connection: &Connection, user: Uuid, hash: &str) -> Outcome<()> {
    connection.execute_raw(sql(connection, "update users set password_hash = ? where id = ?", [hash.into(), user.into()])).await?;
    Ok(())
}

#[derive(FromQueryResult)]
pub struct InvitationRow {
    pub id: Uuid,
    pub sme_id: Option<Uuid>,
    pub agency_id: Option<Uuid>,
    pub email: String,
    pub role: String,
    pub expires_at: DateTime<Utc>,
}

/// What somebody is invited to, and what owns API clients and webhooks: one SME or one agency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    Sme(Uuid),
    Agency(Uuid),
}

impl Target {
    /// From two columns, one of which is set.
    pub fn of(sme: Option<Uuid>, agency: Option<Uuid>) -> Self {
        sme.map_or_else(|| Self::Agency(agency.unwrap_or_default()), Self::Sme)
    }

    /// The column that holds the id, and the id.
    pub fn column(self) -> (&'static str, Uuid) {
        match self {
            Self::Sme(id) => ("sme_id", id),
            Self::Agency(id) => ("agency_id", id),
        }
    }

    /// Its kind and id, as the audit trail names it.
    pub fn named(self) -> (&'static str, Uuid) {
        match self {
            Self::Sme(id) => ("sme", id),
            Self::Agency(id) => ("agency", id),
        }
    }

    /// The scope of the SME or agency alone: the agencies of an SME may not act on what it owns.
    pub fn scope(self) -> Scope {
        match self {
            Self::Sme(id) => Scope { sme: Some(id), agencies: Vec::new() },
            Self::Agency(id) => Scope::agency(id),
        }
    }

    /// The table of the members.
    fn members(self) -> &'static str {
        match self {
            Self::Sme(_) => "sme_memberships",
            Self::Agency(_) => "agency_members",
        }
    }

    /// The id as the columns `sme_id` and `agency_id`, one of which is set.
    pub fn columns(self) -> (Option<Uuid>, Option<Uuid>) {
        match self {
            Self::Sme(id) => (Some(id), None),
            Self::Agency(id) => (None, Some(id)),
        }
    }
}

pub struct NewInvitation<'a> {
    pub target: Target,
    pub email: &'a str,
    pub role: &'a str,
    pub token_hash: &'a str,
    pub invited_by: Uuid,
    pub expires_at: DateTime<Utc>,
}

/// Adds an open invitation; one that ran out makes room for it.
pub async fn insert_invitation(connection: &Connection, new: NewInvitation<'_>) -> Outcome<Uuid> {
    let expire = "update invitations set revoked_at = ? where email = ? and accepted_at is null and revoked_at is null and expires_at < ?";
    connection.execute_raw(sql(connection, expire, [now().into(), new.email.into(), now().into()])).await?;
    let (id, (sme, agency)) = (Uuid::now_v7(), new.target.columns());
    let text = "insert into invitations (id, sme_id, agency_id, email, role, token_hash, invited_by, created_at, expires_at) values (?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let values = [
        id.into(),
        sme.into(),
        agency.into(),
        new.email.into(),
        new.role.into(),
        new.token_hash.into(),
        new.invited_by.into(),
        now().into(),
        new.expires_at.into(),
    ];
    connection.execute_raw(sql(connection, text, values)).await?;
    Ok(id)
}

const INVITATION: &str =
    "select id, sme_id, agency_id, email, role, expires_at from invitations where accepted_at is null and revoked_at is null and";

/// Open invitations of a target, newest first.
pub async fn invitations(connection: &Connection, target: Target) -> Outcome<Vec<InvitationRow>> {
    let (column, id) = target.column();
    let text = format!("{INVITATION} {column} = ? and expires_at > ? order by id desc limit 200");
    let rows = connection.query_all_raw(sql(connection, &text, [id.into(), now().into()])).await?;
    Ok(rows.iter().map(|row| InvitationRow::from_query_result(row, "")).collect::<Result<_, _>>()?)
}

pub async fn invitation(connection: &Connection, id: Uuid) -> Outcome<Option<InvitationRow>> {
    let row = connection.query_one_raw(sql(connection, &format!("{INVITATION} id = ?"), [id.into()])).await?;
    Ok(row.map(|row| InvitationRow::from_query_result(&row, "")).transpose()?)
}

pub async fn invitation_by_token(connection: &Connection, token_hash: &str) -> Outcome<Option<InvitationRow>> {
    let text = format!("{INVITATION} token_hash = ? and expires_at > ?");
    let row = connection.query_one_raw(sql(connection, &text, [token_hash.into(), now().into()])).await?;
    Ok(row.map(|row| InvitationRow::from_query_result(&row, "")).transpose()?)
}

/// Marks an open invitation as used; returns true for the one caller that did.
pub async fn close_invitation(connection: &Connection, id: Uuid, accepted: bool) -> Outcome<bool> {
    let column = if accepted { "accepted_at" } else { "revoked_at" };
    let text = format!("update invitations set {column} = ? where id = ? and accepted_at is null and revoked_at is null");
    Ok(connection.execute_raw(sql(connection, &text, [now().into(), id.into()])).await?.rows_affected() == 1)
}

/// Closes open invitations that a user made, to one target or to all; returns how many.
pub async fn close_invitations_of(connection: &Connection, user: Uuid, target: Option<Target>) -> Outcome<u64> {
    let open = "update invitations set revoked_at = ? where invited_by = ? and accepted_at is null and revoked_at is null";
    let (text, values) = of_target(open, vec![now().into(), user.into()], target);
    Ok(connection.execute_raw(sql(connection, &text, values)).await?.rows_affected())
}

/// Narrows a statement to one target.
pub fn of_target(text: &str, mut values: Vec<sea_orm::Value>, target: Option<Target>) -> (String, Vec<sea_orm::Value>) {
    let Some((column, id)) = target.map(Target::column) else { return (text.to_owned(), values) };
    values.push(id.into());
    (format!("{text} and {column} = ?"), values)
}

/// Whether whoever made an invitation could make it now.
pub async fn may_still_invite(connection: &Connection, invitation: Uuid) -> Outcome<bool> {
    let text = "select 1 from invitations i join users u on u.id = i.invited_by where i.id = ? and u.status = 'active' and (u.is_operator = 1 \
                or exists (select 1 from sme_memberships m where m.sme_id = i.sme_id and m.user_id = u.id and m.role = 'owner') \
                or exists (select 1 from agency_members m where m.agency_id = i.agency_id and m.user_id = u.id and m.role = 'head'))";
    Ok(connection.query_one_raw(sql(connection, text, [invitation.into()])).await?.is_some())
}

pub async fn set_status(connection: &Connection, user: Uuid, status: &str) -> Outcome<()> {
    connection.execute_raw(sql(connection, "update users set status = ? where id = ?", [status.into(), user.into()])).await?;
    Ok(())
}

/// Makes a user a member of an SME or of an agency's staff.
pub async fn add_member(connection: &Connection, target: Target, user: Uuid, role: &str) -> Outcome<()> {
    let (table, (column, id)) = (target.members(), target.column());
    let text = format!("insert into {table} ({column}, user_id, role, created_at) values (?, ?, ?, ?)");
    connection.execute_raw(sql(connection, &text, [id.into(), user.into(), role.into(), now().into()])).await?;
    Ok(())
}

#[derive(FromQueryResult)]
pub struct MemberRow {
    pub user_id: Uuid,
    pub display_name: String,
    pub email: String,
    pub role: String,
}

pub async fn members(connection: &Connection, target: Target) -> Outcome<Vec<MemberRow>> {
    let (table, (column, id)) = (target.members(), target.column());
    let text = format!(
        "select u.id as user_id, u.display_name, u.email, m.role from {table} m join users u on u.id = m.user_id \
         where m.{column} = ? order by u.id, m.role limit 500"
    );
    let rows = connection.query_all_raw(sql(connection, &text, [id.into()])).await?;
    Ok(rows.iter().map(|row| MemberRow::from_query_result(row, "")).collect::<Result<_, _>>()?)
}

/// Removes a membership; returns whether there was one. The database keeps the last owner of an SME and the last head
/// of an agency.
pub async fn remove_member(connection: &Connection, target: Target, user: Uuid) -> Outcome<bool> {
    let (table, (column, id)) = (target.members(), target.column());
    let text = format!("delete from {table} where {column} = ? and user_id = ?");
    Ok(connection.execute_raw(sql(connection, &text, [id.into(), user.into()])).await?.rows_affected() > 0)
}

#[derive(FromQueryResult)]
pub struct AgencyRow {
    pub id: Uuid,
    pub name: String,
    pub kind: String,
    pub regency_code: Option<String>,
    pub time_zone: String,
}

pub async fn agencies(connection: &Connection) -> Outcome<Vec<AgencyRow>> {
    let text = "select id, name, kind, regency_code, time_zone from agencies order by id limit 1000";
    let rows = connection.query_all_raw(sql(connection, text, [])).await?;
    Ok(rows.iter().map(|row| AgencyRow::from_query_result(row, "")).collect::<Result<_, _>>()?)
}

pub async fn insert_agency(connection: &Connection, agency: &AgencyRow) -> Outcome<()> {
    let text = "insert into agencies (id, name, kind, regency_code, time_zone, created_at) values (?, ?, ?, ?, ?, ?)";
    let values = [
        agency.id.into(),
        agency.name.clone().into(),
        agency.kind.clone().into(),
        agency.regency_code.clone().into(),
        agency.time_zone.clone().into(),
        now().into(),
    ];
    connection.execute_raw(sql(connection, text, values)).await?;
    Ok(())
}

/// The second factor of a user, confirmed or not yet.
#[derive(FromQueryResult)]
pub struct TotpRow {
    /// Base32, encrypted.
    pub secret: Sealed,
    pub created_at: DateTime<Utc>,
    pub confirmed_at: Option<DateTime<Utc>>,
}

pub async fn totp(connection: &Connection, user: Uuid) -> Outcome<Option<TotpRow>> {
    let text = "select secret, created_at, confirmed_at from user_totp where user_id = ?";
    let row = connection.query_one_raw(sql(connection, text, [user.into()])).await?;
    Ok(row.map(|row| TotpRow::from_query_result(&row, "")).transpose()?)
}

/// Keeps a secret that waits for its first code, in place of an earlier one. Returns false if one is confirmed already.
pub async fn propose_totp(connection: &Connection, user: Uuid, secret: Sealed) -> Outcome<bool> {
    let text = "insert into user_totp (user_id, secret, created_at) values (?, ?, ?) on conflict (user_id) do update \
                set secret = excluded.secret, created_at = excluded.created_at where user_totp.confirmed_at is null";
    let result = connection.execute_raw(sql(connection, text, [user.into(), secret.into(), now().into()])).await?;
    Ok(result.rows_affected() == 1)
}

/// Spends the code of a time step; returns true for the one caller that did, as a code counts once (RFC 6238, 5.2).
pub async fn spend_step(connection: &Connection, user: Uuid, step: i64) -> Outcome<bool> {
    let text = "update user_totp set last_step = ? where user_id = ? and last_step < ?";
    Ok(connection.execute_raw(sql(connection, text, [step.into(), user.into(), step.into()])).await?.rows_affected() == 1)
}

/// Spends a recovery code; returns whether there was such a code.
pub async fn spend_recovery_code(connection: &Connection, user: Uuid, hash: &str) -> Outcome<bool> {
    let text = "delete from recovery_codes where user_id = ? and code_hash = ?";
    Ok(connection.execute_raw(sql(connection, text, [user.into(), hash.into()])).await?.rows_affected() == 1)
}

/// Confirms the waiting secret, with the codes for the day the phone is lost.
pub async fn confirm_totp(connection: &Connection, user: Uuid, recovery_hashes: &[String]) -> Outcome<()> {
    let text = "update user_totp set confirmed_at = ? where user_id = ?";
    connection.execute_raw(sql(connection, text, [now().into(), user.into()])).await?;
    for hash in recovery_hashes {
        let text = "insert into recovery_codes (user_id, code_hash) values (?, ?)";
        connection.execute_raw(sql(connection, text, [user.into(), hash.as_str().into()])).await?;
    }
    Ok(())
}

/// Removes the second factor, if there is one.
pub async fn remove_totp(connection: &Connection, user: Uuid) -> Outcome<()> {
    connection.execute_raw(sql(connection, "delete from recovery_codes where user_id = ?", [user.into()])).await?;
    connection.execute_raw(sql(connection, "delete from user_totp where user_id = ?", [user.into()])).await?;
    // No session has proved a factor that there no longer is.
    connection.execute_raw(sql(connection, "update sessions set proved_second_factor = 0 where user_id = ?", [user.into()])).await?;
    Ok(())
}
