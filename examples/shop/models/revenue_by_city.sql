-- An as-of join: each order counts for the city where its customer lived when it was made.
{{ config(schema='shop', cron='*/10 * * * * *') }}
SELECT customer.city, count(*) AS orders, sum(buy.amount)::DECIMAL(18,2) AS amount
FROM {{ source('shop', 'orders') }} AS buy
JOIN {{ ref('customers_history') }} AS customer
  ON customer.customer_id = buy.customer_id AND buy.ordered_at >= customer.valid_from
  AND (customer.valid_to IS NULL OR buy.ordered_at < customer.valid_to)
GROUP BY ALL
