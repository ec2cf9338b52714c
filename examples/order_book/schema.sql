create table orders (
  number     text primary key,
  email      text not null,
  total      numeric(12, 2) not null check (total >= 0),
  lines      jsonb not null,
  placed_at  timestamptz not null default now(),
  shipped_at timestamptz
);

create table stock (
  sku  text primary key,
  held int not null default 0
);

-- What was done once: see `once` of the connector.
create table flow_once (
  key     text primary key,
  rows    text,
  done_at timestamptz not null default now()
);
