//! Mentors, the rubric and its phases, reviews without conflicts of interest, and selection runs.

use crate::Step;

pub const STEP: Step = Step { name: "m0014_review", tables: TABLES, sqlite: SQLITE, postgres: POSTGRES };

// `review_conflicts` is the one definition of who may not review whom: members and mentors of the applicant, and of
// those who share its booth. The triggers and the queries both read it.
const TABLES: &str = "
create table mentor_assignments (
    sme_id $uuid not null references smes (id),
    mentor_id $uuid not null references users (id),
    assigned_by $uuid not null references users (id),
    created_at $time not null,
    primary key (sme_id, mentor_id)
) $strict;
create index mentor_assignments_mentor on mentor_assignments (mentor_id);

create table rubric_categories (
    id $uuid primary key,
    exhibition_id $uuid not null references exhibitions (id),
    position $int not null,
    name $json not null,
    weight_bp $int not null check (weight_bp between 0 and 10000),
    is_required $int not null check (is_required in (0, 1)),
    unique (exhibition_id, id)
) $strict;

create table review_phases (
    exhibition_id $uuid not null references exhibitions (id),
    position $int not null,
    name $json not null,
    can_review $int not null check (can_review in (0, 1)),
    see_others text not null check (see_others in ('never', 'after_own', 'always')),
    is_blind $int not null check (is_blind in (0, 1)),
    ends_at $time,
    is_active $int not null check (is_active in (0, 1)),
    primary key (exhibition_id, position)
) $strict;
create unique index one_active_phase on review_phases (exhibition_id) where is_active = 1;

create table review_assignments (
    application_id $uuid not null,
    reviewer_id $uuid not null references users (id),
    exhibition_id $uuid not null,
    recused_because text,
    created_at $time not null,
    primary key (application_id, reviewer_id),
    foreign key (exhibition_id, application_id) references applications (exhibition_id, id)
) $strict;
create index review_assignments_reviewer on review_assignments (exhibition_id, reviewer_id, application_id);

create table reviews (
    application_id $uuid not null,
    reviewer_id $uuid not null references users (id),
    exhibition_id $uuid not null,
    comment text not null,
    created_at $time not null,
    updated_at $time not null,
    primary key (application_id, reviewer_id),
    foreign key (exhibition_id, application_id) references applications (exhibition_id, id)
) $strict;
create index reviews_exhibition on reviews (exhibition_id, reviewer_id);

create table review_scores (
    application_id $uuid not null,
    reviewer_id $uuid not null,
    exhibition_id $uuid not null,
    category_id $uuid not null,
    score $int not null check (score between 1 and 5),
    primary key (application_id, reviewer_id, category_id),
    foreign key (application_id, reviewer_id) references reviews (application_id, reviewer_id) on delete cascade,
    foreign key (exhibition_id, category_id) references rubric_categories (exhibition_id, id)
) $strict;

create view review_conflicts as
    select a.exhibition_id, a.id as application_id, m.user_id from applications a join sme_memberships m on m.sme_id = a.sme_id
    union
    select a.exhibition_id, a.id, m.mentor_id from applications a join mentor_assignments m on m.sme_id = a.sme_id
    union
    select a.exhibition_id, a.lead_id, m.user_id from applications a join sme_memberships m on m.sme_id = a.sme_id
        where a.lead_id is not null
    union
    select a.exhibition_id, a.lead_id, m.mentor_id from applications a join mentor_assignments m on m.sme_id = a.sme_id
        where a.lead_id is not null;

create table selection_runs (
    id $uuid primary key,
    exhibition_id $uuid not null references exhibitions (id),
    params $json not null,
    inputs $json not null,
    inputs_sha256 text not null,
    result $json not null,
    created_by $uuid not null references users (id),
    created_at $time not null
) $strict;
create index selection_runs_exhibition on selection_runs (exhibition_id, id);

alter table applications add column decision_reason_en text;
alter table exhibition_calls add column decided_by $uuid references users (id);
";

const SQLITE: &str = "
create trigger review_assignments_conflict before insert on review_assignments
    when exists (select 1 from review_conflicts c where c.application_id = new.application_id and c.user_id = new.reviewer_id)
    begin select raise(abort, 'reviewer_has_conflict'); end;
create trigger review_assignments_conflict_update before update of application_id, reviewer_id on review_assignments
    when exists (select 1 from review_conflicts c where c.application_id = new.application_id and c.user_id = new.reviewer_id)
    begin select raise(abort, 'reviewer_has_conflict'); end;
create trigger reviews_conflict before insert on reviews
    when exists (select 1 from review_conflicts c where c.application_id = new.application_id and c.user_id = new.reviewer_id)
    begin select raise(abort, 'reviewer_has_conflict'); end;
create trigger reviews_conflict_update before update on reviews
    when exists (select 1 from review_conflicts c where c.application_id = new.application_id and c.user_id = new.reviewer_id)
    begin select raise(abort, 'reviewer_has_conflict'); end;
create trigger selection_runs_are_records before update on selection_runs
    begin select raise(abort, 'selection_runs_are_records'); end;
";

const POSTGRES: &str = "
create function reviewer_has_no_conflict() returns trigger language plpgsql as $$
begin
    if exists (select 1 from review_conflicts c where c.application_id = new.application_id and c.user_id = new.reviewer_id) then
        raise exception 'reviewer_has_conflict' using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger reviewer_has_no_conflict before insert or update of application_id, reviewer_id on review_assignments
    for each row execute function reviewer_has_no_conflict();
create trigger reviewer_has_no_conflict before insert or update on reviews for each row execute function reviewer_has_no_conflict();
create function selection_runs_are_records() returns trigger language plpgsql as $$
begin
    raise exception 'selection_runs_are_records' using errcode = 'check_violation';
end $$;
create trigger selection_runs_are_records before update on selection_runs for each row execute function selection_runs_are_records();
";
