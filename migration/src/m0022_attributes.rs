//! What a category asks of its products beyond what all products have: versions of definitions, and the values.

use crate::Step;

pub const STEP: Step = Step { name: "m0022_attributes", tables: TABLES, sqlite: SQLITE, postgres: POSTGRES };

// A version stays as it is: products say by which one they were described.
const TABLES: &str = "
create table category_attributes (
    category_id $uuid not null references categories (id),
    version $int not null check (version >= 1),
    definitions $json not null,
    created_by $uuid references users (id),
    created_at $time not null,
    primary key (category_id, version)
) $strict;
alter table products add column attributes $json not null default '{}';
";

const SQLITE: &str = "
create trigger category_attributes_no_update before update on category_attributes
    begin select raise(abort, 'category_attributes is append-only'); end;
create trigger category_attributes_no_delete before delete on category_attributes
    begin select raise(abort, 'category_attributes is append-only'); end;
";

const POSTGRES: &str = "
create trigger category_attributes_no_change before update or delete on category_attributes
    for each row execute function refuse_change();
";
