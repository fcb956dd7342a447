import ispconfig --lines shop.sql
