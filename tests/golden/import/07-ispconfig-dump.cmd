import ispconfig shop.sql
