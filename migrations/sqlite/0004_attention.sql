-- Orders that left and that nobody paid are found without reading all orders. Twin of
-- migrations/postgres/0004_attention.sql.

create index orders_left_unpaid on orders (id)
  where payment = 'required' and shipped > returned;
