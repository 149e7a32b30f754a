INSERT INTO parts VALUES (3, 'three');
